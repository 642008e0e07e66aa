import { type AboutSetting, SECRET_SETTINGS, settings } from '#libs/platform';

/** Settings among the variables of an environment. */
export interface GivenSettings {
  /** Names without `MINGJING_`, whether given by value or by file. */
  readonly names: readonly string[];
  /** Values of those that are given by value. */
  readonly values: Readonly<Record<string, string>>;
}

/** @throws Error naming a variable that no process knows */
export function settingsIn(environment: Readonly<Record<string, string>>): GivenSettings {
  const values: Record<string, string> = {};
  const names: string[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    const name = /^MINGJING_(\w+)$/.exec(variable)?.[1];
    if (name === undefined) continue;
    const secret = SECRET_SETTINGS.find((each) => `${each}_FILE` === name);
    if (secret === undefined && !(name in settings.shape)) throw new Error(`${variable} is no setting`);
    names.push(secret ?? name);
    if (secret === undefined) values[name] = value;
  }
  return { names, values };
}

/** Settings without which a process does not start. */
export function neededSettings(process: string): readonly string[] {
  return Object.entries(settings.shape)
    .filter(([, schema]) =>
      ((schema.meta() as unknown as AboutSetting).neededBy ?? []).some((each) => each === process),
    )
    .map(([name]) => name);
}
