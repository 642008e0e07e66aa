import { Inject, Injectable } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Alongside, type CommandOutcome, EventStore, runCommand } from '#libs/event-store';
import type { CommandContext, DomainCommand, DomainEvent, StreamDefinition } from '#libs/kernel';
import { inSpan } from '#libs/tracing';

/** One command on its way to its decider: the only thing that travels over Nest's command bus. */
class RunCommand extends Command<CommandOutcome<unknown, DomainEvent>> {
  constructor(
    readonly definition: StreamDefinition<unknown, DomainCommand, DomainEvent>,
    readonly id: string,
    readonly command: DomainCommand,
    readonly context: CommandContext,
    readonly alongside: (events: readonly DomainEvent[], state: unknown) => readonly Alongside[],
  ) {
    super();
  }
}

@CommandHandler(RunCommand)
export class RunCommandHandler implements ICommandHandler<RunCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute({ definition, id, command, context, alongside }: RunCommand) {
    return runCommand(this.store, definition, id, command, context, alongside);
  }
}

/** The one door for writes. */
@Injectable()
export class Commands {
  constructor(@Inject(CommandBus) private readonly bus: CommandBus) {}

  /** Runs a command against the stream of entity `id`; see `runCommand`. */
  async run<State, C extends DomainCommand, E extends DomainEvent>(
    definition: StreamDefinition<State, C, E>,
    id: string,
    command: C,
    context: CommandContext,
    alongside: (events: readonly E[], state: State) => readonly Alongside[] = () => [],
  ): Promise<CommandOutcome<State, E>> {
    const run = new RunCommand(definition as never, id, command, context, alongside as never);
    const attributes = {
      'mingjing.category': definition.events.category,
      'mingjing.correlation_id': context.correlationId,
    };
    const outcome = await inSpan(`command ${command.type}`, attributes, () => this.bus.execute(run));
    return outcome as CommandOutcome<State, E>;
  }
}
