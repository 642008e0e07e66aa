import { Injectable } from '@nestjs/common';

/**
 * The end of a process without a request refused. After `begin` readiness says no, so that nobody is sent here any
 * more; who comes all the same is served, and told to close the connection. Then `idle` waits for those under way.
 */
@Injectable()
export class Drain {
  #draining = false;
  #underWay = 0;
  #onIdle: (() => void) | undefined;

  get draining(): boolean {
    return this.#draining;
  }

  begin(): void {
    this.#draining = true;
  }

  /** Counts a request in. @returns what counts it out */
  enter(): () => void {
    this.#underWay += 1;
    return () => {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle?.();
    };
  }

  /** Waits until no request is under way. @returns how many still are after so many milliseconds */
  async idle(msMax: number): Promise<number> {
    if (this.#underWay === 0) return 0;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, msMax);
    });
    clearTimeout(timer);
    this.#onIdle = undefined;
    return this.#underWay;
  }
}
