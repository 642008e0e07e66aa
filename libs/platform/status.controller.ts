import { Controller, Get, Header, Inject, Injectable } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from './access-guard.js';
import { EventLoop } from './health/event-loop.js';
import { HealthChecks, type Indication } from './health/health-checks.js';
import { platformRefusals } from './platform.refusals.js';
import { Stages } from './telemetry/stages.js';

/** How this process is, without a word about what is in it. */
export interface HubStatus {
  readonly status: 'up' | 'degraded';
  /** Position of the newest event; absent when the event store does not answer. */
  readonly head?: string;
  /** Events that each read model has still to take in; `down` when it does not answer. */
  readonly readModels: Readonly<Record<string, string>>;
  /** What must be well for this process to be sent requests, each in one sentence. */
  readonly checks: Readonly<Record<string, Indication>>;
}

@Injectable()
export class StatusReader {
  constructor(
    @Inject(Stages) private readonly stages: Stages,
    @Inject(HealthChecks) private readonly health: HealthChecks,
  ) {}

  async read(): Promise<HubStatus> {
    const [{ ready, checks }, { appended, models, silent }] = await Promise.all([
      this.health.read(),
      this.stages.read(),
    ]);
    const readModels = models.map(({ model, lag }) => {
      const answers = lag !== undefined && !silent.includes(`parked ${model}`);
      return [model, answers ? String(lag) : 'down'];
    });
    return {
      status: ready ? 'up' : 'degraded',
      ...(appended === undefined ? {} : { head: String(appended) }),
      readModels: Object.fromEntries(readModels),
      checks,
    };
  }
}

@ApiTags('hub')
@Controller()
export class StatusController {
  constructor(
    @Inject(StatusReader) private readonly reader: StatusReader,
    @Inject(EventLoop) private readonly loop: EventLoop,
  ) {}

  @Get('health/live')
  @Public()
  @ApiOperation({ summary: 'The process answers; 503 when its event loop is stuck' })
  live(): { status: 'up' } {
    const { up, says } = this.loop.look();
    if (!up) throw platformRefusals['platform.unavailable'](says);
    return { status: 'up' };
  }

  @Get('health/ready')
  @Public()
  @ApiOperation({
    summary: 'All that this process needs answers and is fresh; 503 when not, or when it is about to end',
  })
  async ready(): Promise<HubStatus> {
    const status = await this.reader.read();
    if (status.status === 'up') return status;
    const ill = Object.values(status.checks).filter(({ status }) => status === 'down');
    throw platformRefusals['platform.unavailable'](ill.map(({ says }) => says).join('; '), { ...status });
  }

  @Get()
  @Public()
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiExcludeEndpoint()
  async page(): Promise<string> {
    return pageOf(await this.reader.read());
  }
}

function pageOf({ status, head, readModels }: HubStatus): string {
  const rows = [
    ['Event store 事件库', head === undefined ? 'not answering 无响应' : `${head} events appended 已追加`],
    ...Object.entries(readModels).map(([name, lag]) => [
      `Read model 读模型 ${name}`,
      lag === 'down' ? 'down 停止' : lag === '0' ? 'current 最新' : `${lag} behind 落后`,
    ]),
  ]
    .map(([name, value]) => `<tr><th scope="row">${name}</th><td>${value}</td></tr>`)
    .join('');
  const word = status === 'up' ? 'Up 运行正常' : 'Degraded 部分异常';
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>明镜 Mingjing</title><link rel="icon" href="data:,">
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1b2430; }
  h1 { font-size: 1.8rem; margin: 0; } .sub { color: #55606e; margin-top: .2rem; }
  .state { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; background: #e3f4e8; color: #14532d; }
  .state.degraded { background: #fdecec; color: #7f1d1d; }
  table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; }
  th, td { text-align: left; padding: .45rem .3rem; border-bottom: 1px solid #e2e6ea; font-weight: normal; }
  td { text-align: right; font-variant-numeric: tabular-nums; }
  a { color: #0b5394; }
</style>
</head>
<body>
<h1>明镜 Mingjing</h1>
<p class="sub">公共安全视频跨部门共享枢纽 · The hub through which departments share public-security video lawfully<br>
贵州省人民政府令第117号 · Guizhou Order No. 117</p>
<p><span class="state ${status}">${word}</span></p>
<table>${rows}</table>
<ul>
<li><a href="/api">API reference 接口文档</a> · <a href="/api/openapi.json">OpenAPI</a></li>
<li><a href="/oidc/.well-known/openid-configuration">OpenID Connect 登录配置</a></li>
<li><a href="/health/ready">Readiness 就绪状态</a></li>
</ul>
</body>
</html>
`;
}
