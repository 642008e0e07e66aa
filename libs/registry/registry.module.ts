import { Module } from '@nestjs/common';
import { ReadModelModule } from '#libs/platform';
import { CameraController } from './camera/camera.controller.js';
import { Register, registryReadModel } from './register.js';
import { SiteController } from './site/site.controller.js';
import { VideoSystemController } from './video-system/video-system.controller.js';

/** Sites, video systems and cameras: registration and filing (Art. 8 to 14). */
@Module({
  imports: [ReadModelModule.forFeature(registryReadModel)],
  controllers: [SiteController, VideoSystemController, CameraController],
  providers: [Register],
})
export class RegistryModule {}
