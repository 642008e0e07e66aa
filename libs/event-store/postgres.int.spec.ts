import { freshDatabase } from '../../test/services/postgres.js';
import { eventStoreContract } from './event-store.contract.js';
import { migrateEventStore } from './postgres/migrations.js';
import { PostgresEventStore } from './postgres/postgres-event-store.js';

eventStoreContract('PostgreSQL', async () => {
  const database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  const store = new PostgresEventStore({ url: database.url });
  return {
    store,
    close: async () => {
      await store.close();
      await database.drop();
    },
  };
});
