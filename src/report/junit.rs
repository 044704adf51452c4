//! The table of thresholds as JUnit XML, which CI servers show: one test case per threshold and rule.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::error::ExitCode;
use crate::report::file::{OutputError, OutputFile};
use crate::report::judgement::{Judgement, Threshold};
use crate::report::numbers::count;
use crate::report::rules::shown;
use crate::report::summary::Summary;

/// The case for what no threshold covers: that the run finished, and that its figures are about the server.
const RUN: &str = "run";

/// The file could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// The XML writer refused something, which would be a bug.
    #[error("JUnit XML: {0}")]
    Xml(#[from] quick_junit::SerializeError),
    /// The system refused to write.
    #[error(transparent)]
    File(#[from] OutputError),
}

/// Writes the document to a file.
///
/// # Errors
/// If it cannot be written, which leaves the file as it was.
pub fn write(file: &OutputFile, summary: &Summary) -> Result<(), JunitError> {
    Ok(file.write(&render(summary)?)?)
}

/// The document, of one run or of a merged one.
///
/// # Errors
/// If the XML writer refuses it, which would be a bug.
pub fn render(summary: &Summary) -> Result<String, JunitError> {
    let run = &summary.run;
    let mut suite = TestSuite::new(text(&format!("soakrig {}", run.plenary)));
    let took = Duration::try_from_secs_f64(run.duration_seconds).unwrap_or_default();
    suite.set_time(took);
    for (name, value) in [
        ("run", run.id.clone()),
        ("room", run.plenary.clone()),
        ("shard", run.shard.to_string()),
        ("seed", run.seed.to_string()),
        ("version", run.version.clone()),
        ("started", run.started.clone()),
        ("exit_code", summary.verdict.code.to_string()),
        ("verdict", summary.verdict.reason.clone()),
    ] {
        suite.add_property(Property::new(name, text(&value)));
    }
    suite.add_test_case(whole(summary));
    suite.add_test_cases(summary.verdict.thresholds.iter().map(case));
    let mut report = Report::new("soakrig");
    report.set_time(took).add_test_suite(suite);
    Ok(report.to_string()?)
}

fn whole(summary: &Summary) -> TestCase {
    let verdict = &summary.verdict;
    let is_told = verdict.thresholds.iter().any(|row| row.result == Judgement::Failed);
    let code = ExitCode::from_number(verdict.code);
    let status = match code {
        Some(ExitCode::Ok) => TestCaseStatus::success(),
        // The threshold's own case shows the failure.
        Some(ExitCode::Threshold) if is_told => TestCaseStatus::success(),
        Some(ExitCode::Threshold) => with(TestCaseStatus::non_success(NonSuccessKind::Failure), &verdict.reason),
        _ => with(TestCaseStatus::non_success(NonSuccessKind::Error), &verdict.reason),
    };
    named(RUN, status)
}

fn case(row: &Threshold) -> TestCase {
    let status = match row.result {
        Judgement::Passed | Judgement::TooFew => TestCaseStatus::success(),
        Judgement::Failed => with(TestCaseStatus::non_success(NonSuccessKind::Failure), &failed(row)),
        Judgement::Off => with(TestCaseStatus::skipped(), "off"),
        Judgement::NotJudged => with(TestCaseStatus::skipped(), row.why.as_deref().unwrap_or("not judged")),
    };
    named(&row.name, status)
}

fn named(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(text(name), status);
    case.set_classname("soakrig");
    case
}

fn with(mut status: TestCaseStatus, message: &str) -> TestCaseStatus {
    status.set_message(text(message));
    status
}

/// A text without the two characters that XML forbids and the writer lets through.
fn text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// The value of a failed threshold, in words.
fn failed(row: &Threshold) -> String {
    let of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| shown(row.unit, None, row.below, value));
    let value = row.value.map_or_else(|| "-".to_owned(), |value| shown(row.unit, row.limit, row.below, value));
    let limit = if row.below { "at least " } else { "" };
    let mut text = format!("{value} of {} (limit {limit}{})", count(row.n), of(row.limit));
    if let Some(kind) = &row.kind {
        text.push_str(&format!(" ({kind})"));
    }
    if let Some(at) = &row.at {
        text.push_str(&format!(", at its worst from {} to {}", at.began, at.ended));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rules;
    use crate::report::end::End;
    use crate::report::inputs::tests::night;
    use crate::report::verdict::judge;

    #[test]
    fn each_threshold_is_a_case() {
        let mut summary = night();
        summary.run.version = "0.0.0".into();
        summary.rules = Rules {
            fail_if: vec!["late > 2%".parse().unwrap(), "lost > 0 over 6h".parse().unwrap()],
            ..Rules::default()
        };
        summary.judged.as_mut().unwrap().deliveries.late = 12_000;
        summary.verdict = judge(&summary, &End::Settled);
        insta::assert_snapshot!(render(&summary).unwrap());
    }

    #[test]
    fn a_hostile_text_stays_a_text() {
        let mut summary = night();
        let hostile = "]]><x a='\"'>&amp;\u{0}\u{1b}[2J\u{ffff}";
        summary.run.plenary = hostile.into();
        summary.run.id = hostile.into();
        summary.verdict.code = 107;
        summary.verdict.reason = hostile.into();
        let xml = render(&summary).unwrap();
        let read = Report::deserialize_from_str(&xml).unwrap();
        let suite = &read.test_suites[0];
        assert_eq!(suite.test_cases.len(), summary.verdict.thresholds.len() + 1);
        assert_eq!(suite.properties[0].value.as_str(), "]]><x a='\"'>&amp;\u{fffd}");
        assert!(!xml.contains("<x") && !xml.contains(['\u{0}', '\u{1b}', '\u{ffff}']), "{xml}");
    }

    #[test]
    fn what_no_threshold_says_is_a_case_of_its_own() {
        let mut summary = night();
        let failures = |summary: &Summary| render(summary).unwrap().matches("<failure").count();
        let errors = |summary: &Summary| render(summary).unwrap().matches("<error").count();
        assert_eq!((failures(&summary), errors(&summary)), (0, 0));
        summary.verdict.code = 106;
        assert_eq!((failures(&summary), errors(&summary)), (0, 1));
        summary.verdict.code = 99;
        assert_eq!((failures(&summary), errors(&summary)), (1, 0), "a shard is missing, for example");
    }
}
