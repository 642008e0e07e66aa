import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '#libs/kernel';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://mingjing.dev/clip/v1';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** 24 hours of two-second segments take about 10 MiB. */
export const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().nonnegative();
const ms = z.int().nonnegative();
const text = z.string().min(1).max(2_000);

const segment = z.strictObject({
  index: z.int().nonnegative(),
  /** `<epoch>/<n>`: the segment as it was recorded. */
  name: text,
  startMs: ms,
  durationMs: z.number().nonnegative(),
  /** Where it stands in the clip. */
  offset: bytes,
  bytes,
  /** Digest of the segment as it was recorded. */
  sha256,
  /** What was added to the decode time of each fragment, ticks; taken off again, the digest must hold. */
  tfdtShift: z.string().regex(/^-?\d{1,19}$/),
});

const predicate = z.strictObject({
  camera: z.strictObject({ id: text, gbId: text.optional() }),
  range: z.strictObject({ from: z.iso.datetime(), to: z.iso.datetime() }),
  init: z.strictObject({ bytes, sha256 }),
  segments: z.array(segment).min(1),
  grant: text,
  session: text.optional(),
  request: text,
  basis: text,
  caseNumber: text.optional(),
  purpose: text,
  exportedBy: z.strictObject({
    kind: z.enum(['person', 'client', 'system']),
    id: text,
    organisationId: text.optional(),
  }),
  destination: text,
  exportedAt: z.iso.datetime(),
});

const statement = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.tuple([z.strictObject({ name: text, digest: z.strictObject({ sha256 }) })]),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: predicate.refine(inSequence, 'segments that do not follow each other'),
});

function inSequence({ init, segments }: z.output<typeof predicate>): boolean {
  let end = init.bytes;
  return segments.every((one, index) => {
    const follows = one.index === index && one.offset === end;
    end += one.bytes;
    return follows;
  });
}

const envelope = z.strictObject({
  payloadType: z.literal(PAYLOAD_TYPE),
  payload: z.base64(),
  signatures: z.tuple([z.strictObject({ keyid: text, sig: z.base64() })]),
});

export type ClipSegment = z.output<typeof segment>;
export type ClipPredicate = z.output<typeof predicate>;

/** What the manifest says: the clip by name and digest, and how it came about. Times in ms since the epoch. */
export interface ClipManifest {
  readonly name: string;
  readonly sha256: string;
  readonly predicate: ClipPredicate;
}

/** The manifest is not what was issued; `position` is a byte of the manifest file. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';

  constructor(
    readonly reason: 'damaged' | 'wrong-key' | 'altered',
    detail: string,
    readonly position: number | undefined,
  ) {
    super(position === undefined ? detail : `${detail} (at byte ${position} of the manifest)`);
  }
}

/** Id of a key: base64url SHA-256 of its SPKI. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/**
 * Signs a manifest: an in-toto Statement v1 in a DSSE envelope (Dead Simple Signing Envelope 1.0), Ed25519.
 * @returns the bytes of the manifest file
 */
export function signManifest(
  { name, sha256: digest, predicate: about }: ClipManifest,
  key: { readonly privateKey: KeyObject; readonly kid: string },
): Buffer {
  const payload = Buffer.from(
    canonicalJson({
      _type: STATEMENT_TYPE,
      subject: [{ name, digest: { sha256: digest } }],
      predicateType: PREDICATE_TYPE,
      predicate: predicate.parse(about),
    }),
  );
  const sig = sign(null, preAuthentication(payload), key.privateKey).toString('base64');
  return encode({
    payloadType: PAYLOAD_TYPE,
    payload: payload.toString('base64'),
    signatures: [{ keyid: key.kid, sig }],
  });
}

/**
 * Checks a manifest and says what it says.
 * @param file bytes of the manifest file, as issued: not one may differ
 * @throws ManifestError
 */
export function openManifest(file: Buffer, publicKey: KeyObject): ClipManifest {
  // 1. The form in which it was issued
  if (file.length > MANIFEST_BYTES_MAX) throw damaged('the manifest is larger than any that is issued', undefined);
  const opened = envelope.safeParse(parseJson(file.toString('utf8')));
  if (!opened.success) {
    const [issue] = opened.error.issues;
    throw damaged(`no signed manifest: ${issue?.path.join('.')} ${issue?.message}`, 0);
  }
  const issued = encode(opened.data);
  if (!issued.equals(file)) throw damaged('not in the form in which it was issued', firstDifference(issued, file));

  // 2. Key and signature
  const { payload: encoded, signatures } = opened.data;
  const [{ keyid, sig }] = signatures;
  const kid = keyIdOf(publicKey);
  if (keyid !== kid) {
    throw new ManifestError('wrong-key', `the manifest is signed by key ${keyid}, the key given is ${kid}`, undefined);
  }
  const payload = Buffer.from(encoded, 'base64');
  const signature = Buffer.from(sig, 'base64');
  const at = file.indexOf('"payload":"') + 11;
  const canonical = payload.toString('base64') === encoded && signature.toString('base64') === sig;
  if (!canonical || !verify(null, preAuthentication(payload), publicKey, signature)) {
    const where = `between bytes ${at} and ${at + encoded.length}, or in its signature`;
    throw new ManifestError('altered', `the manifest was altered after it was signed, ${where}`, undefined);
  }

  // 3. What it says; the signer vouches for it, so anything odd here is another version of it
  const said = statement.safeParse(parseJson(payload.toString('utf8')));
  if (!said.success) {
    const [issue] = said.error.issues;
    throw damaged(`not a clip manifest of this version: ${issue?.path.join('.')} ${issue?.message}`, at);
  }
  const { subject, predicate: about } = said.data;
  const [{ name, digest }] = subject;
  return { name, sha256: digest.sha256, predicate: about };
}

function encode(signed: z.output<typeof envelope>): Buffer {
  return Buffer.from(`${canonicalJson(signed)}\n`);
}

/** Pre-authentication encoding (DSSE 1.0 protocol): what is really signed. */
function preAuthentication(payload: Buffer): Buffer {
  const type = Buffer.from(PAYLOAD_TYPE);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const position = /position (\d+)/.exec((error as SyntaxError).message)?.[1];
    throw damaged('no JSON', position === undefined ? json.length : Number(position));
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let n = 0; n < length; n += 1) if (a[n] !== b[n]) return n;
  return length;
}

const damaged = (detail: string, position: number | undefined) => new ManifestError('damaged', detail, position);
