/** The confidentiality undertaking of Art. 16(5); a signature names the text by its SHA-256. A change is a new text. */
export const UNDERTAKING = {
  text: '本人承诺：仅为已批准的用途使用所调取的公共安全视频信息资料，遵守信息资料的使用、保密制度，不擅自复制、传播或者向无关人员泄露，用毕按规定归还或者销毁。',
  sha256: 'fd07e9dafd2606e10547051d05f951d2b483358f1e17a9538939b2ec768c98ea',
} as const;
