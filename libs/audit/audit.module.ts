import { Module } from '@nestjs/common';
import { AuditController } from './audit.controller.js';
import { Histories } from './histories.js';

/** Histories by replay, for auditors and responsible persons (Art. 19); changes nothing but records who read. */
@Module({ controllers: [AuditController], providers: [Histories] })
export class AuditModule {}
