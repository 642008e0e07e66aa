export { type Reading, SecretStore, Vault } from './port.js';
