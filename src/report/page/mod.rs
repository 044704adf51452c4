//! The report: a summary as one self-contained HTML page.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`mod@view`] | the data that the page draws |
//! | `headline` | whether the run passed, why, and since when |
//! | `story` | what happened when, in words |
//! | `charts`, `heat`, `grid` | the timeline as columns on one time axis |
//! | `steering` | planned disruptions, and how users reconnected |
//! | `details` | worst rooms, grouped losses, the totals, the configuration |
//! | `clockface` | times as people read them |
//! | [`live`](mod@live), `health` | the same while a run goes on; whether all is well, and since when |
//! | `assembly` | page, style, script and data as one file |
//!
//! `page.html`, `page.css`, `charts.js`, `recovery.js` and `page.js` are the page itself; `vendor/` holds uPlot. What
//! is read from a summary may be hostile: it is bounded here, escaped in `assembly`, and written as text by the script.

mod assembly;
mod charts;
mod clockface;
mod details;
mod grid;
mod headline;
mod health;
mod heat;
pub mod live;
mod steering;
mod story;
#[cfg(test)]
mod tests;
pub mod view;

use self::clockface::Clockface;
use self::grid::Grid;
use self::view::View;
use super::summary::Summary;

/// The whole page of a summary as HTML.
#[must_use]
pub fn report(summary: &Summary) -> String {
    assembly::page(&view(summary))
}

/// The parts of a summary that the page shows.
#[must_use]
pub fn view(summary: &Summary) -> View {
    let grid = Grid::of(summary);
    let ends = grid.as_ref().and_then(|grid| Some((grid.rows.first()?.start, grid.rows.last()?.start)));
    let clockface = Clockface::of(summary, ends);
    View {
        kind: "report",
        headline: headline::headline(summary),
        facts: headline::facts(summary),
        thresholds: headline::thresholds(summary, grid.as_ref(), &clockface),
        story: story::story(summary, grid.as_ref(), &clockface),
        planned: summary
            .marked
            .as_ref()
            .and_then(|marked| steering::planned(&marked.each, &summary.recoveries, marked.tolerated, steering::short)),
        recovered: steering::recovered(&summary.recoveries, steering::short),
        timeline: grid.as_ref().map(|grid| charts::timeline(summary, grid)),
        tables: details::tables(summary),
    }
}
