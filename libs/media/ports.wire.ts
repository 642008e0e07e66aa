import type { JsonWebKey } from 'node:crypto';
import { z } from 'zod';
import { newId, type Principal, type RequestContext, type RuleId } from '#libs/kernel';
import { defineWirePort } from '#libs/remote';
import {
  AccessPort,
  type ExportAsk,
  type ExportAuthorisation,
  MediaPort,
  type ProbeResult,
  type Source,
} from './ports.js';
import { ticketClaims } from './ticket.js';

const id = z.guid();
const time = z.iso.datetime({ precision: 3 });
const nothing = z.unknown().transform(() => undefined);

const source: z.ZodType<Source> = z.object({
  protocol: z.enum(['rtsp', 'rtmp', 'http', 'file']),
  address: z.string().max(2_048),
  credentialRef: z.string().max(100).optional(),
});

const probeResult: z.ZodType<ProbeResult> = z.discriminatedUnion('passed', [
  z.object({
    passed: z.literal(true),
    codec: z.string(),
    width: z.number(),
    height: z.number(),
    frameRate: z.number(),
  }),
  z.object({ passed: z.literal(false), failure: z.string() }),
]);

/** The media gateway, asked by the integration service. */
export const mediaWire = defineWirePort<MediaPort>({
  name: 'media',
  port: MediaPort,
  callers: ['integration'],
  methods: {
    check: { args: z.tuple([source]), result: nothing, repeatable: true, deadlineMs: 10_000 },
    probe: { args: z.tuple([source]), result: probeResult, repeatable: false, deadlineMs: 15_000 },
  },
});

const exportAsk: z.ZodType<ExportAsk> = z.object({
  clipId: id,
  grantId: id,
  sessionId: id.optional(),
  cameraId: id,
  from: time,
  to: time,
});

/** A request's context without its functions: the far side makes ids of its own. */
const context = z
  .looseObject({
    principal: z.custom<Principal>((value) => typeof value === 'object' && value !== null),
    actor: z.object({
      kind: z.enum(['person', 'client', 'system']),
      id: z.string(),
      organisationId: z.string().optional(),
      role: z.string().optional(),
    }),
    at: time,
    correlationId: z.string().regex(/^[0-9a-f]{32}$/),
    causationId: z.string().optional(),
    commandId: z.string().optional(),
    fingerprint: z.string().optional(),
  })
  .transform((given) => ({ ...given, newId: () => newId() }) as RequestContext);

const authorisation = z.object({
  requestId: id,
  organisationId: id,
  basis: z.string().transform((rule) => rule as RuleId),
  purpose: z.string(),
  caseNumber: z.string().optional(),
  destination: z.string(),
  gbDeviceId: z.string().optional(),
}) satisfies z.ZodType<ExportAuthorisation>;

/** Decisions of the access service, asked by the media gateway. All calls settle within 10 s. */
export const accessWire = defineWirePort<AccessPort>({
  name: 'access',
  port: AccessPort,
  callers: ['media'],
  methods: {
    start: { args: z.tuple([id, ticketClaims]), result: nothing, repeatable: false, deadlineMs: 9_000 },
    recheck: {
      args: z.tuple([z.array(id).max(500)]),
      result: z.object({ stillAllowed: z.array(id) }),
      repeatable: true,
      deadlineMs: 9_000,
    },
    stopped: {
      args: z.tuple([id, z.string().max(100), z.array(z.object({ from: time, to: time })).max(500)]),
      result: nothing,
      repeatable: false,
      deadlineMs: 9_000,
    },
    ticketKeys: {
      args: z.tuple([]),
      result: z.array(z.looseObject({ kid: z.string() }).transform((jwk) => jwk as JsonWebKey)),
      repeatable: true,
      deadlineMs: 9_000,
    },
    authoriseExport: {
      args: z.tuple([exportAsk, context]),
      result: authorisation,
      repeatable: false,
      deadlineMs: 9_000,
    },
  },
});
