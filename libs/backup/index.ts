export { DamagedBackupError } from './archive.js';
export { type BackupReport, takeBackup } from './backup.js';
export { readPassphrase } from './passphrase.js';
export { checkBackup, type RestoreReport, restoreBackup } from './restore.js';
