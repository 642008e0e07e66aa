import { startKurrentStandIn } from '../../test/services/kurrentdb/stand-in.js';
import { eventStoreContract } from './event-store.contract.js';
import { KurrentEventStore } from './kurrentdb/kurrent-event-store.js';

const { KURRENTDB_URL: real } = process.env;

eventStoreContract(
  real === undefined ? 'KurrentDB (stand-in)' : 'KurrentDB',
  async () => {
    const standIn = real === undefined ? await startKurrentStandIn() : undefined;
    const store = await KurrentEventStore.open({ url: real ?? standIn!.url });
    return {
      store,
      close: async () => {
        await store.close();
        await standIn?.stop();
      },
    };
  },
  { gapFree: false },
);
