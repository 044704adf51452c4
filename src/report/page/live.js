"use strict";
// The page of a running generator: asks each second, keeps what will not change, and shows the last state
// when the run is over or cannot be reached.

const SECOND = 1000;

/** Puts an answer behind what is known: from its beginning on it is newer. */
function joined(known, fresh, from) {
  if (!known) return fresh;
  if (!fresh) return known;
  const kept = known.times.filter((time) => time < from).length;
  const nothing = (n) => new Array(n).fill(null);
  const column = (old, young, none) => (old ?? none(known.times.length)).slice(0, kept).concat(young ?? none(fresh.times.length));
  const lines = (old, young) => {
    const names = new Set([...(old?.series ?? []), ...(young?.series ?? [])].map(({ name }) => name));
    const of = (chart, name) => chart?.series.find((one) => one.name === name)?.values;
    return [...names].map((name) => ({ name, values: column(of(old, name), of(young, name), nothing), table: [] }));
  };
  const ids = new Set([...known.charts, ...fresh.charts].map(({ id }) => id));
  const charts = [...ids].map((id) => {
    const [old, young] = [known, fresh].map(({ charts }) => charts.find((chart) => chart.id === id));
    const [oldHeat, heat] = [old?.heat, young?.heat];
    const empty = (n) => new Array(n).fill("");
    // What has no line of late may have had one before.
    const note = young?.series.length ? young.note : old?.series.length ? old.note : (young ?? old).note;
    return {
      ...(young ?? old),
      note,
      series: lines(old, young),
      heat: heat || oldHeat ? { ...(heat ?? oldHeat), slices: column(oldHeat?.slices, heat?.slices, empty) } : null,
    };
  });
  return { ...fresh, times: known.times.slice(0, kept).concat(fresh.times), charts };
}

/** Follows a run on this page. */
function watch(page) {
  const readout = element("span", { class: "readout quiet" }, "Point at a chart to read it.");
  const charts = new Charts(readout);
  const reset = element("button", { type: "button", hidden: "", onclick: () => charts.zoom(null) }, "Show the whole run");
  charts.onzoom = (zoomed) => { reset.hidden = !zoomed; };
  const head = element("div");
  const news = element("p", { class: "news" }, "Asking the generator…");
  // Read aloud, and only where it changes.
  const spoken = element("p", { class: "spoken", role: "status" });
  const limits = element("div");
  const steered = element("div");
  const recovery = new RecoveryChart();
  const body = element("div");
  page.append(news, spoken, head, limits, steered, body);
  follow(charts, recovery);
  let timeline = null;
  let since = 0;
  let last = "";
  let drawnCommands = "";

  const show = (view) => {
    timeline = joined(timeline, view.timeline, view.live.from);
    since = view.live.fixed_until;
    last = view.live.at;
    document.title = `${view.headline.title} – ${view.facts[0]?.value ?? "soakrig"}`;
    head.replaceChildren(header(view));
    if (spoken.textContent !== view.headline.title) spoken.textContent = view.headline.title;
    limits.replaceChildren(thresholds(view.thresholds, null, view.live.ended) ?? "");
    renewSteered(view);
    if (!timeline) return;
    const ids = timeline.charts.map(({ id }) => id).join();
    if (body.dataset.charts !== ids) {
      body.dataset.charts = ids;
      charts.clear();
      body.replaceChildren(...overTime(timeline, charts, reset).filter((section) => section !== null));
    }
    renewNotes();
    renewEvents();
    charts.update(timeline);
  };

  /** What the commands did: made again only where it changed, so that what is opened stays open. */
  const renewSteered = ({ planned, recovered }) => {
    const now = JSON.stringify([planned, recovered]);
    if (now === drawnCommands) return;
    drawnCommands = now;
    const isOpen = steered.querySelector("#recovered details")?.open;
    steered.replaceChildren(...[planned ? further(planned) : null, recoveries(recovered, recovery)].filter((section) => section !== null));
    const details = steered.querySelector("#recovered details");
    if (details && isOpen) details.open = true;
    recovery.show(recovered);
  };

  const renewNotes = () => {
    for (const { id, note } of timeline.charts) {
      const shown = body.querySelector(`#chart-${id} .note`);
      shown.textContent = note;
      shown.hidden = !note;
    }
  };

  const renewEvents = () => {
    const old = body.querySelector(".events");
    const count = String(timeline.events.length);
    if (timeline.events.length === 0 || old?.dataset.count === count) return;
    const fresh = events(timeline);
    fresh.dataset.count = count;
    if (old) {
      fresh.open = old.open;
      old.replaceWith(fresh);
    } else {
      body.querySelector(".toolbar").after(fresh);
    }
  };

  const ask = async () => {
    try {
      const answer = await fetch(`live.json?since=${since}`, { signal: AbortSignal.timeout(5 * SECOND), cache: "no-store" });
      if (!answer.ok) throw new Error(`the generator answered ${answer.status}`);
      const view = await answer.json();
      show(view);
      news.className = "news";
      news.textContent = view.live.ended ? `The run has ended. This is its last state, of ${last}.` : `As of ${last}; renewed each second.`;
      if (view.live.ended) return;
    } catch (error) {
      news.className = "news stale";
      news.textContent = last
        ? `The generator does not answer: it has ended, or cannot be reached. This is its last state, of ${last}.`
        : "The generator does not answer. Asking again.";
    }
    setTimeout(ask, SECOND);
  };
  ask();
}
