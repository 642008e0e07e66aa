export { KeyRing, type SigningKey } from './key-ring.js';
export { permitVault, type VaultRole, type VaultUse } from './permissions.js';
export { personalDataEvents } from './personal-data.events.js';
export { type Reading, SecretStore, Vault } from './port.js';
export { PostgresVault, VAULT_TABLES } from './postgres-vault.js';
export { decrypt, encrypt } from './sealing.js';
export { vaultRefusals } from './vault.refusals.js';
