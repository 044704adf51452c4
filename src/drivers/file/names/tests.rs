use super::*;

fn names(variables: &[(&str, &str)], given: &ParseOptions) -> Names {
    let variable = |(name, source): &(&str, &str)| {
        let secret = name.starts_with("secret");
        ((*name).to_owned(), Variable { source: (*source).to_owned(), secret })
    };
    Names::new(variables.iter().map(variable).collect(), given)
}

fn given(set: &[(&str, &str)], columns: &[&str]) -> ParseOptions {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ParseOptions { set, columns: columns.iter().map(|name| (*name).to_owned()).collect(), allow_exec: false }
}

#[test]
fn set_wins_over_accounts_and_those_over_vars() {
    let variables = [("a", "file"), ("b", "file"), ("c", "file")];
    let names = names(&variables, &given(&[("a", "{{x}}"), ("b", "set")], &["username", "b", "c"]));
    let compile = |source: &str| names.compile(source, &Scope::default()).unwrap();
    assert_eq!(compile("{{a}}{{b}}").as_constant(), Some("{{x}}set"), "and --set is not expanded again");
    let mut slots = Vec::new();
    compile("{{c}}{{username}}").slots(&mut |slot| slots.push(slot));
    assert_eq!(slots, [ValueRef::Column(2), ValueRef::Column(0)]);
    assert!(compile("{{c}}").is_secret() && !compile("{{username}}").is_secret());
}

#[test]
fn vars_are_expanded_and_may_not_go_in_circles() {
    let variables =
        [("a", "<{{b|json}}>"), ("b", "{{c}}\""), ("c", "1"), ("x", "{{y}}"), ("y", "{{z}}"), ("z", "{{x}}")];
    let names = names(&variables, &ParseOptions::default());
    let compiled = names.compile("{{a}}", &Scope::default()).unwrap();
    assert_eq!(compiled.as_constant(), Some("<\"1\\\"\">"));
    assert_eq!(names.check_variable("x").unwrap_err().0, "[vars] has a cycle: x → y → z → x");
    names.check_variable("a").unwrap();
}

#[test]
fn in_a_pattern_every_value_is_quoted() {
    let names = names(&[("dots", "a.b")], &given(&[("plus", "c+")], &[]));
    let pattern = names.compile_pattern("^{{dots}}.{{plus}}{{\"$\"}}{{user}}$", &Scope::default()).unwrap();
    assert_eq!(pattern.beginning(), Some("^a\\.b.c\\+\\$"));
    assert_eq!(pattern.sample_pattern(), "^a\\.b.c\\+\\$x$");
}

#[test]
fn expansion_is_bounded() {
    let doubling: Vec<(String, String)> =
        (0..20).map(|n| (format!("v{n}"), format!("{{{{v{}}}}}{{{{v{}}}}}", n + 1, n + 1))).collect();
    let mut variables: Vec<(&str, &str)> = doubling.iter().map(|(n, s)| (n.as_str(), s.as_str())).collect();
    variables.push(("v20", "x"));
    let why = names(&variables, &ParseOptions::default()).check_variable("v0").unwrap_err().0;
    assert!(why.contains("more than 1000 variables"), "{why}");
}

#[test]
fn a_name_that_nothing_sets_is_refused_with_the_nearest() {
    let mut names = names(&[("event", "x")], &ParseOptions::default());
    names.capture("token", CaptureScope::Session).unwrap();
    let why = |source: &str| names.compile(source, &Scope::default()).unwrap_err();
    assert!(why("{{evnt}}").0.contains("nothing sets {{evnt}}, did you mean event?"));
    assert!(why("{{usr}}").0.contains("did you mean user?"));
    assert!(why("{{nothing_like_it}}").1.contains("--set nothing_like_it="));
    assert!(why("{{token}}").0.contains("no value here yet"));
    assert!(why("{{text}}").1.contains("[message]"));
    assert!(why("{{seq}}").1.contains("on a connection"));
}

#[test]
fn a_name_means_one_thing() {
    let mut names = names(&[("a", "x")], &given(&[("b", "x")], &["username", "c"]));
    assert_eq!(names.capture("t", CaptureScope::Session), Ok(0));
    assert_eq!(names.capture("u", CaptureScope::Session), Ok(1));
    assert_eq!(names.capture("t", CaptureScope::Session), Ok(0), "the same capture again");
    for (name, why) in [("a", "[vars]"), ("b", "--set"), ("c", "a column of"), ("user", "built-in"), ("t", "log-in")] {
        let said = names.capture(name, CaptureScope::Connection).unwrap_err().0;
        assert!(said.contains(why), "{name}: {said}");
    }
}

#[test]
fn what_a_secret_variable_holds_is_secret() {
    let names = names(&[("secret_key", "k{{room}}"), ("open", "<{{secret_key}}>")], &ParseOptions::default());
    assert!(names.compile("{{open}}", &Scope::default()).unwrap().is_secret());
    let with = given(&[("secret_key", "k")], &[]);
    let names = self::names(&[("secret_key", "k")], &with);
    assert!(names.compile("a{{secret_key}}", &Scope::default()).unwrap().is_secret(), "set or not");
}

#[test]
fn a_set_that_the_file_does_not_know_is_refused() {
    let names = names(&[("path", "/")], &given(&[("pth", "x")], &[]));
    let (name, (why, remedy)) = names.check_set().unwrap_err();
    assert_eq!((name.as_str(), why.contains("did you mean path?"), remedy.as_str()), ("pth", true, "[vars] has path"));
    let names = self::names(&[], &given(&[("needed", "x")], &[]));
    names.compile("{{needed}}", &Scope::default()).unwrap();
    names.check_set().unwrap();
}
