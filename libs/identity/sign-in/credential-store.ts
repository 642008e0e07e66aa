/** What a person enters into an authenticator application (otpauth URI, Key Uri Format; secret in Base32). */
export interface TotpEnrolment {
  readonly totpUri: string;
  readonly totpSecret: string;
}

/**
 * Passwords and second factors of people.
 *
 * Implementers MUST answer an unknown user name, a wrong password, a wrong or used code and a locked account alike, in
 * content and in the time taken, MUST accept a code at most once, also when it comes twice at the same moment, and MUST
 * have a sign-in or enrolment on record before they let anybody in by it.
 */
export abstract class CredentialStore {
  /** A new one-time code with which the person enrols, valid for 24 hours; an earlier one is void from now. */
  abstract issueEnrolment(personId: string): Promise<string>;

  /**
   * Takes user name and password for the holder of a code; may be repeated until confirmed.
   * @throws Refusal `identity.enrolment-refused`, `identity.weak-password`, `identity.user-name-taken`
   */
  abstract begin(code: string, username: string, password: string): Promise<TotpEnrolment>;

  /**
   * Proves that the second factor works; from now on the person signs in with what was begun, and only with that.
   * @returns the person's id
   * @throws Refusal `identity.enrolment-refused`, `identity.user-name-taken`
   */
  abstract confirm(code: string, totp: string): Promise<string>;

  /** Whether anybody has enrolled as this person. */
  abstract isEnrolled(personId: string): Promise<boolean>;

  /**
   * Checks user name, password and second factor.
   * @returns the person who may sign in
   * @throws Refusal `identity.sign-in-refused`, the same whatever was wrong; `identity.too-many-sign-ins`
   */
  abstract verify(username: string, password: string, totp: string): Promise<{ readonly personId: string }>;
}
