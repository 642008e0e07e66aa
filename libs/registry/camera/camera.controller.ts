import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, visibleTo, written } from '#libs/platform';
import { ACTING_ROLES, READING_ROLES } from '../authority.js';
import { Register } from '../register.js';
import { registryRefusals } from '../registry.refusals.js';
import { division, funding, id, name, text } from '../schemas.js';
import { VideoSystemRow } from '../video-system/video-system.entity.js';
import { cameraStream } from './camera.decider.js';
import { CameraRow } from './camera.entity.js';
import { cameraData, position } from './camera.events.js';
import { gbDeviceReservation } from './gb-device-reservation.js';

const cameraAnswer = cameraData.extend({
  id,
  siteId: id,
  division,
  funding,
  managingUnitId: id,
  purpose: text,
  integrated: z.boolean().describe('whether an interface connection to it is open (Art. 7)'),
  registeredAt: z.iso.datetime(),
});

/** What departments see: cameras that are integrated and government-funded, and no more than where they are. */
const directoryEntry = z.object({ id, name, division, position });
const answer = z.union([cameraAnswer, directoryEntry]);

/** Condition of the directory that Art. 7 opens to departments. */
const SHARED = { integrated: true, funding: 'government' } as const;
const WHOLE_PROVINCE = [{ division: '52' }];

const cameraQuery = z.strictObject({
  ...pageQuery,
  division: division.optional().describe('covers the divisions below it'),
  systemId: id.optional(),
});

@ApiTags('registry')
@Controller('api/v1/cameras')
@Reads('registry')
export class CameraController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Register) private readonly register: Register,
  ) {}

  @Post()
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Register a camera into a video system (Art. 9, 10, 14)' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async registerCamera(
    @Body({ schema: cameraData }) camera: z.output<typeof cameraData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const system = await this.register.known(VideoSystemRow, camera.systemId);
    if (system === undefined) throw registryRefusals['registry.no-such-system'](camera.systemId);
    const cameraId = context.newId();
    const outcome = await this.commands.run(
      cameraStream,
      cameraId,
      { type: 'RegisterCamera', by, at, camera, system },
      context,
      (events) => gbDeviceReservation(cameraId, events),
    );
    return written(outcome);
  }

  @Get()
  @Allow({ roles: [...READING_ROLES, 'department-officer'], clients: true })
  @ApiOperation({
    summary: 'Cameras of the own unit or jurisdiction; for departments the directory of shared cameras (Art. 7)',
  })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  async list(
    @Query({ schema: cameraQuery }) query: z.output<typeof cameraQuery>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    const visible = visibleTo(principal);
    if (visible.length > 0) return this.register.page(CameraRow, visible, query);
    const { items, nextCursor } = await this.register.page(CameraRow, WHOLE_PROVINCE, query, SHARED);
    return { items: items.map(entryOf), nextCursor };
  }

  @Get(':id')
  @Allow({ roles: [...READING_ROLES, 'department-officer'], clients: true })
  @ApiOperation({ summary: 'One camera' })
  @ApiOkResponse({ standardSchema: answer })
  async read(@Param('id', { schema: id }) cameraId: string, @Context() { principal }: RequestContext): Promise<object> {
    const visible = visibleTo(principal);
    const camera = await this.register.find(CameraRow, visible.length > 0 ? visible : WHOLE_PROVINCE, cameraId);
    if (camera !== undefined && visible.length > 0) return camera;
    if (camera?.integrated && camera.funding === SHARED.funding) return entryOf(camera);
    throw registryRefusals['registry.no-such-camera'](cameraId);
  }
}

function entryOf({ id, name, division, position }: CameraRow): z.output<typeof directoryEntry> {
  return { id, name, division, position };
}
