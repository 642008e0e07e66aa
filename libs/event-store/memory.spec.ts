import { eventStoreContract } from './event-store.contract.js';
import { MemoryEventStore } from './memory.js';

eventStoreContract('memory', async () => ({ store: new MemoryEventStore(), close: async () => {} }));
