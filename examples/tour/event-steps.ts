import { number } from "./account.ts";
import { earthquakes } from "./sources.ts";
import { ask, check, eventsOf, type Step } from "./tour.ts";

interface Quake {
  readonly id: string;
  readonly sequence: string;
  readonly attributes: { readonly place: string; readonly mag: string };
}

/** Publishes every earthquake as an event, twice: the ids make the repetition harmless. */
export const publishMany: Step = {
  title: "Publish every earthquake as an event: one client stream",
  async run(tour) {
    const lines = earthquakes.rows.map(({ code, net, place, mag }) =>
      JSON.stringify({
        id: `${net}${code}`,
        type: "earthquake",
        attributes: { place: `${place}`, mag: `${mag}` },
      }),
    );
    const publish = async (): Promise<{ accepted: string; duplicates: string }> => {
      const headers = { "content-type": "application/x-ndjson" };
      const init = { method: "POST", headers, body: lines.join("\n") };
      return (await ask(tour, "/api/events/earthquakes", init)).json() as never;
    };
    const first = await publish();
    check(first.accepted === `${lines.length}`, `${lines.length} events accepted`, first.accepted);
    const again = await publish();
    check(
      again.duplicates === `${lines.length}`,
      `${lines.length} duplicates the second time`,
      again.duplicates,
    );
    tour.note(
      `${number(lines.length)} events accepted; sent again: ${number(Number(again.duplicates))} known by their ids`,
    );
  },
};

/** Reads the topic back over a server stream, and lists the topics over Connect. */
export const readBack: Step = {
  title: "Read the topic back over a server stream, and list the topics over Connect",
  async run(tour) {
    const strong = earthquakes.rows.filter(({ mag }) => Number(mag) >= 5).length;
    let events = 0;
    let found = 0;
    for await (const quake of eventsOf<Quake>(await ask(tour, "/api/events/earthquakes?until=current"))) {
      events++;
      check(quake.sequence === `${events}`, `sequence ${events}`, quake.sequence);
      if (Number(quake.attributes.mag) >= 5) found++;
    }
    check(events === earthquakes.rows.length, `${earthquakes.rows.length} events`, events);
    check(found === strong, `${strong} earthquakes of magnitude 5 and more`, found);
    tour.note(
      `${number(events)} events in order, ${found} earthquakes of magnitude 5 and more: as in the file`,
    );
    const { topics } = (await (await ask(tour, "/api/topics")).json()) as {
      topics: { name: string; events: string }[];
    };
    tour.note(
      `topics: ${topics.map(({ name, events }) => `${name} (${number(Number(events))})`).join(", ")}`,
    );
  },
};
