import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const generated = '@kurrent/kurrentdb-client/generated/kurrentdb/protocols';

type Root = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js');
type Shared = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js');
type StatusModule = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/status_pb.js');
type GossipModule = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_pb.js');
type FeaturesModule = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_pb.js');
type StreamsV2 = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/streams/streams_pb.js');
type UsersModule = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/usermanagement_pb.js');
type RpcErrors = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/errors_pb.js');
type ErrorsV2 = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/streams/errors_pb.js');

/** The server's own messages and services, as the vendor's client carries them (CommonJS). */
export const pb = require(`${generated}/v1/streams_pb`) as Root;
export const shared = require(`${generated}/v1/shared_pb`) as Shared;
export const status = require(`${generated}/v1/status_pb`) as StatusModule;
export const gossip = require(`${generated}/v1/gossip_pb`) as GossipModule;
export const features = require(`${generated}/v1/serverfeatures_pb`) as FeaturesModule;
export const v2 = require(`${generated}/v2/streams/streams_pb`) as StreamsV2;
export const v2errors = require(`${generated}/v2/streams/errors_pb`) as ErrorsV2;
export const userMessages = require(`${generated}/v1/usermanagement_pb`) as UsersModule;
export const rpcErrors = require(`${generated}/v2/errors_pb`) as RpcErrors;
export const { Any } = require('google-protobuf/google/protobuf/any_pb') as {
  Any: new () => { setTypeUrl(url: string): void; setValue(bytes: Uint8Array): void };
};

type Definition = import('@grpc/grpc-js').ServiceDefinition;
export const services = {
  users: (require(`${generated}/v1/usermanagement_grpc_pb`) as { UsersService: Definition }).UsersService,
  streams: (require(`${generated}/v1/streams_grpc_pb`) as { StreamsService: Definition }).StreamsService,
  gossip: (require(`${generated}/v1/gossip_grpc_pb`) as { GossipService: Definition }).GossipService,
  features: (require(`${generated}/v1/serverfeatures_grpc_pb`) as { ServerFeaturesService: Definition })
    .ServerFeaturesService,
  streamsV2: (require(`${generated}/v2/streams/streams_grpc_pb`) as { StreamsServiceService: Definition })
    .StreamsServiceService,
};
