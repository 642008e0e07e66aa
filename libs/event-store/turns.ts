/** Lets one action run at a time, in the order of asking. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #asked = 0;

  get busy(): boolean {
    return this.#asked > 0;
  }

  take<T>(action: () => Promise<T>): Promise<T> {
    this.#asked += 1;
    const turn = this.#last.then(action).finally(() => {
      this.#asked -= 1;
    });
    this.#last = turn.catch(() => {}); // its caller hears of the failure; the next has its own turn
    return turn;
  }
}
