import { z } from 'zod';
import { type AboutSetting, SECRET_SETTINGS, SERVICES, type SettingReader, settings } from '#libs/platform';

interface SettingSchema extends AboutSetting {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly default?: unknown;
}

const READERS: readonly SettingReader[] = ['hub', 'gateway', ...SERVICES, 'relay'];
const FORMATS: Readonly<Record<string, string>> = { uri: '`https://…`' };

/** Every setting with its meaning, its values and who needs it, from the schema that a process reads them by. */
export function configurationPage(): string {
  // What is written in the environment is the input; bounds of numbers stand in the output.
  const written = z.toJSONSchema(settings, { io: 'input', unrepresentable: 'any' });
  const rows = Object.entries((written.properties ?? {}) as Readonly<Record<string, SettingSchema>>).map(
    ([name, setting]) => {
      const { description, neededBy = [], readBy = READERS } = setting;
      const secret = (SECRET_SETTINGS as readonly string[]).includes(name) ? ' 🔑' : '';
      return `| \`MINGJING_${name}\`${secret} | ${description} | ${formOf(setting)} | ${defaultOf(setting)} | ${who(readBy)} | ${who(neededBy)} |`;
    },
  );
  return [
    '# Configuration\n',
    'A process reads its settings from environment variables once, at its start. An unknown `MINGJING_…` and a value that is',
    'not of its form are refused in one sentence. 🔑 may be given as `MINGJING_<NAME>_FILE`, the path of a file that holds the',
    'value, so that no environment and no list of processes shows it: in production always do.\n',
    '`hub` is all services in one process; `gateway`, `registry`, `integration`, `access`, `media`, `audit` and `relay` are',
    'the processes of an installation in parts. A setting that a process does not read does it no harm.\n',
    '| variable | meaning | values | default | read by | needed by |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function who(readers: readonly SettingReader[]): string {
  const missing = READERS.filter((reader) => !readers.includes(reader));
  if (missing.length === 0) return 'all';
  return missing.length === 1 ? `all but ${missing[0]}` : readers.join(', ');
}

function formOf({ form, enum: values, type, format, minimum, maximum }: SettingSchema): string {
  if (form !== undefined) return form;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ');
  if (type === 'integer') return `${minimum} to ${maximum}`;
  return FORMATS[format ?? ''] ?? 'text';
}

function defaultOf({ default: value }: SettingSchema): string {
  return value === undefined || (Array.isArray(value) && value.length === 0) ? '' : `\`${String(value)}\``;
}
