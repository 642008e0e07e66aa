import type { EventStore } from '#libs/event-store';
import { categoryOf, type EventCatalogue } from '#libs/kernel';
import type { KafkaConfig } from '#libs/platform';
import { KafkaFeed } from './kafka-feed.js';
import { KafkaSubscriptions } from './kafka-subscriptions.js';
import { PlatformaticBroker } from './platformatic-broker.js';
import { logLayout, serviceTopic } from './topics.js';

/** What a process has that hears the log from Kafka. */
export interface KafkaReader {
  readonly kafka: KafkaConfig;
  readonly catalogue: EventCatalogue;
  readonly store: EventStore;
  readonly warn: (sentence: string) => void;
}

/** Services whose events are streamed, by the catalogue. */
export function servicesOf(catalogue: EventCatalogue): readonly string[] {
  return [...new Set(catalogue.streams.map(({ service }) => service))].sort();
}

/** Topics that together carry the whole log. */
export function topicsOf(catalogue: EventCatalogue): readonly string[] {
  return servicesOf(catalogue).map(serviceTopic);
}

/** The whole log in its total order, for read models. */
export function feedFromKafka({ kafka, ...reader }: KafkaReader): KafkaFeed {
  return new KafkaFeed({ broker: new PlatformaticBroker(kafka), topics: topicsOf(reader.catalogue), ...reader });
}

/**
 * Subscriptions that the processes share among them.
 * @param positionsUrl database that keeps positions, the relay's too
 * @param source `ce_source` of dead letters
 */
export function subscriptionsFromKafka(
  { kafka, ...reader }: KafkaReader,
  { positionsUrl, source }: { readonly positionsUrl: string; readonly source: string },
): KafkaSubscriptions {
  const { catalogue } = reader;
  const topics = new Map(catalogue.streams.map(({ category, service }) => [category, serviceTopic(service)]));
  return new KafkaSubscriptions({
    broker: new PlatformaticBroker(kafka),
    layout: logLayout(kafka, servicesOf(catalogue)),
    topicOf: ({ stream }) => topics.get(categoryOf(stream))!,
    positionsUrl,
    source,
    ...reader,
  });
}
