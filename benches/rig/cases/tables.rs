//! The kept figures as the tables and the plot of `docs/performance.md`.
//!
//! A table stands between `<!-- NAME -->` and `<!-- /NAME -->`; the text around them stays. Tables
//! without a place on the page are printed.

use std::path::Path;

use plotters::prelude::*;
use serde_json::Value;

use super::Scale;
use crate::Outcome;

const PAGE: &str = "docs/performance.md";
const PLOT: &str = "docs/images/growth.svg";

/// A column: its heading, and the place of its number or text in a line of figures.
type Column = (&'static str, &'static str, usize);

/// The tables: name, file of figures, columns with the number of decimals.
const TABLES: &[(&str, &[Column])] = &[
    ("deliveries", PAIRS),
    ("batches", PAIRS),
    ("lists", PAIRS),
    ("memory", &[("", "/what", 0), ("users", "/users", 0), ("in all, kB", "/total", 0), ("kB per user", "/each", 2)]),
    ("growth-users", CURVE),
    ("growth-rate", RATES),
    ("processes", CURVE),
    (
        "target",
        &[
            ("users", "/users", 0),
            ("bare", "/bare/median", 2),
            ("target", "/target/median", 2),
            ("ratio", "/ratio/median", 3),
            ("lowest", "/ratio/lowest", 3),
            ("highest", "/ratio/highest", 3),
        ],
    ),
    (
        "pace",
        &[
            ("set, per second", "/rate", 0),
            ("seconds", "/seconds", 3),
            ("intents", "/intents", 0),
            ("due", "/expected", 1),
            ("within 1 ms", "/within_1_ms", 3),
            ("within 2 ms", "/within_2_ms", 3),
        ],
    ),
    (
        "gaps",
        &[
            ("set, per second", "/rate", 0),
            ("chats", "/chats", 0),
            ("even, ms", "/even_ms", 3),
            ("1 % at most", "/one_percent_ms", 3),
            ("median", "/median_ms", 3),
            ("99 % at most", "/ninety_nine_percent_ms", 3),
            ("longest", "/longest_ms", 3),
        ],
    ),
    (
        "delivery",
        &[
            ("users", "/users", 0),
            ("deliveries", "/deliveries", 0),
            ("written by the target, ms", "/written_ms", 3),
            ("read by soakrig, ms", "/read_ms", 3),
        ],
    ),
    ("ramp", &[("users", "/users", 0), ("sign-up, CPU s", "/signed_up_cpu", 2), ("return, CPU s", "/returned_cpu", 2)]),
    (
        "scrape",
        &[
            ("users", "/users", 0),
            ("deliveries/s", "/deliveries_a_second", 0),
            ("median, ms", "/took_ms/median", 2),
            ("highest, ms", "/took_ms/highest", 2),
            ("bytes", "/bytes", 0),
        ],
    ),
    (
        "peers",
        &[
            ("", "/who", 0),
            ("CPU s / M frames", "/cpu_per_million", 1),
            ("kB per connection", "/memory_each", 1),
            ("verifies", "/verifies", 0),
        ],
    ),
];

const PAIRS: &[Column] = &[
    ("users", "/users", 0),
    ("frames/s", "/frames_a_second", 0),
    ("bytes per frame", "/frame_bytes", 0),
    ("raw", "/raw/median", 3),
    ("soakrig", "/soakrig/median", 3),
    ("ratio", "/ratio/median", 3),
    ("lowest", "/ratio/lowest", 3),
    ("highest", "/ratio/highest", 3),
    ("above raw, µs per frame", "/above/median", 3),
];

const RATES: &[Column] = &[
    ("users", "/users", 0),
    ("deliveries/s", "/deliveries_a_second", 0),
    ("CPU s / M deliveries", "/cpu_per_million", 2),
    ("cores", "/cores", 3),
];

const CURVE: &[Column] = &[
    ("users", "/users", 0),
    ("processes", "/processes", 0),
    ("deliveries/s", "/deliveries_a_second", 0),
    ("CPU s / M deliveries", "/cpu_per_million", 2),
    ("cores", "/cores", 3),
    ("kB per user", "/memory_each", 2),
];

/// Writes the tables that have figures.
pub fn tables(_: Scale) -> Outcome<()> {
    let mut page = std::fs::read_to_string(PAGE)?;
    for (name, columns) in TABLES {
        let Ok(figures) = figures(name) else {
            println!("{name}: no figures kept, its table stays");
            continue;
        };
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let Some((before, rest)) = page.split_once(&begin) else {
            println!("{name}:\n{}", table(columns, &figures));
            continue;
        };
        let (_, after) = rest.split_once(&end).ok_or_else(|| format!("{PAGE} has no {end}"))?;
        page = format!("{before}{begin}{}{end}{after}", table(columns, &figures));
    }
    std::fs::write(PAGE, page)?;
    println!("written: {PAGE}");
    match (figures("growth-users"), figures("growth-rate")) {
        (Ok(users), Ok(rates)) => {
            plot(&users, &rates)?;
            println!("written: {PLOT}");
        }
        _ => println!("growth: no figures kept, its plot stays"),
    }
    Ok(())
}

fn figures(name: &str) -> Outcome<Vec<Value>> {
    Ok(serde_json::from_slice(&std::fs::read(Path::new("target/bench").join(format!("{name}.json")))?)?)
}

fn table(columns: &[Column], lines: &[Value]) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = row(columns.iter().map(|(head, ..)| (*head).to_owned()).collect());
    out.push_str(&row(columns.iter().map(|(_, path, _)| align(lines, path)).collect()));
    for line in lines {
        out.push_str(&row(columns.iter().map(|(_, path, decimals)| cell(line.pointer(path), *decimals)).collect()));
    }
    out
}

/// Aligns numbers to the right.
fn align(lines: &[Value], path: &str) -> String {
    let is_text = lines.first().and_then(|line| line.pointer(path)).is_some_and(Value::is_string);
    if is_text { "---".to_owned() } else { "---:".to_owned() }
}

fn cell(value: Option<&Value>, decimals: usize) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(number) => number.as_f64().map_or_else(|| "–".to_owned(), |n| grouped(n, decimals)),
        None => "–".to_owned(),
    }
}

/// A number with commas between thousands.
fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    fraction.map_or(out.clone(), |fraction| format!("{out}.{fraction}"))
}

/// Memory and CPU over users, and CPU over rate.
fn plot(by_users: &[Value], by_rate: &[Value]) -> Outcome<()> {
    let number = |line: &Value, path: &str| line.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
    let points = |lines: &[Value], x: &str, y: &str| -> Vec<(f64, f64)> {
        lines.iter().map(|line| (number(line, x), number(line, y))).collect()
    };
    let root = SVGBackend::new(PLOT, (960, 300)).into_drawing_area();
    root.fill(&WHITE)?;
    let panels = root.split_evenly((1, 3));
    let curves = [
        ("kB per user, by users", points(by_users, "/users", "/memory_each")),
        ("CPU s / M deliveries, by users", points(by_users, "/users", "/cpu_per_million")),
        ("cores, by deliveries/s (20 users)", points(by_rate, "/deliveries_a_second", "/cores")),
    ];
    for (panel, (title, curve)) in panels.iter().zip(curves) {
        let curve: Vec<(f64, f64)> = curve.into_iter().filter(|(x, _)| *x > 0.5).collect();
        let (Some(first), Some(last)) = (curve.first(), curve.last()) else { continue };
        let top = curve.iter().map(|(_, y)| *y).fold(0.0, f64::max) * 1.15;
        let mut chart = ChartBuilder::on(panel)
            .caption(title, ("sans-serif", 15))
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(40)
            .build_cartesian_2d((first.0..last.0).log_scale(), 0.0..top)?;
        chart.configure_mesh().x_labels(5).y_labels(6).light_line_style(WHITE).draw()?;
        chart.draw_series(LineSeries::new(curve.iter().copied(), BLUE.stroke_width(2)))?;
        chart.draw_series(curve.iter().map(|point| Circle::new(*point, 3, BLUE.filled())))?;
    }
    Ok(root.present()?)
}
