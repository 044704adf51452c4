//! Resolves names in a file, by place: built-in variables, captures, `--set`, the columns of `--accounts`, `[vars]`, in
//! this order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::error::nearest;
use super::template::{BuiltIn, Expression, Filter, Piece, Template, ValueRef, pieces};

/// Maximum number of nested expansions of `[vars]` in one template.
const MOST_EXPANSIONS: usize = 1000;

/// A reason and a remedy.
pub(super) type Problem = (String, String);

/// The options given with the file.
#[derive(Clone, Default)]
pub struct ParseOptions {
    /// `--set`: names and values; the last one for a name wins.
    pub set: Vec<(String, String)>,
    /// The columns of `--accounts`, in their order; empty without it.
    pub columns: Vec<String>,
    /// Whether `--allow-exec` is given.
    pub allow_exec: bool,
}

/// A variable of `[vars]`.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) source: String,
    pub(super) secret: bool,
}

/// All names of a file.
#[derive(Default)]
pub(super) struct Names {
    pub(super) variables: BTreeMap<String, Variable>,
    set: BTreeMap<String, String>,
    columns: Vec<String>,
    session: Vec<String>,
    connection: Vec<String>,
    used: RefCell<BTreeSet<String>>,
}

/// The names that have a value at a place in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Captures of sign-up or log-in before this place.
    pub(super) session: BTreeSet<String>,
    /// Captures of the join before this place.
    pub(super) connection: BTreeSet<String>,
    /// Captures of the rule itself, in the order of their slots.
    pub(super) local: Vec<String>,
    /// Whether `text` has a value.
    pub(super) text: bool,
    /// Whether `seq` has a value.
    pub(super) seq: bool,
}

/// The owner of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaptureScope {
    /// The saved session.
    Session,
    /// The connection.
    Connection,
}

impl Names {
    pub(super) fn new(variables: BTreeMap<String, Variable>, given: &ParseOptions) -> Self {
        let (set, columns) = (given.set.iter().cloned().collect(), given.columns.clone());
        Self { variables, set, columns, ..Self::default() }
    }

    /// Adds a capture; returns its slot.
    ///
    /// # Errors
    /// If the name already has another meaning.
    pub(super) fn capture(&mut self, name: &str, scope: CaptureScope) -> Result<u16, Problem> {
        self.free(name)?;
        let (own, other, whose) = match scope {
            CaptureScope::Session => (&mut self.session, &self.connection, "join"),
            CaptureScope::Connection => (&mut self.connection, &self.session, "sign-up or log-in"),
        };
        if other.iter().any(|known| known == name) {
            return Err((format!("{whose} captures {name} too"), "give one of the two another name".to_owned()));
        }
        let at = own.iter().position(|known| known == name).unwrap_or_else(|| {
            own.push(name.to_owned());
            own.len() - 1
        });
        u16::try_from(at).map_err(|_| ("too many captures".to_owned(), "capture less".to_owned()))
    }

    /// The names of captures, by slot.
    pub(super) fn captures(&self, scope: CaptureScope) -> &[String] {
        match scope {
            CaptureScope::Session => &self.session,
            CaptureScope::Connection => &self.connection,
        }
    }

    /// The slot of a capture of sign-up, log-in or the join.
    pub(super) fn slot_of(&self, name: &str) -> Option<u16> {
        let place = |names: &[String]| names.iter().position(|known| known == name);
        place(&self.session).or_else(|| place(&self.connection))?.try_into().ok()
    }

    /// Whether a capture may have this name.
    pub(super) fn free(&self, name: &str) -> Result<(), Problem> {
        not_built_in(name)?;
        let taken = if self.variables.contains_key(name) {
            "[vars]"
        } else if self.set.contains_key(name) {
            "--set"
        } else if self.columns.iter().any(|column| column == name) {
            "a column of --accounts"
        } else {
            return Ok(());
        };
        Err((format!("{name} is already set by {taken}"), "give the capture another name".to_owned()))
    }

    /// Notes that something uses this name.
    pub(super) fn note_use(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// The columns of the file of accounts.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The secret variables of the file, in the scope of sign-up and log-in.
    pub(super) fn secret_variables(&self) -> Vec<(String, Template)> {
        let used = self.used.borrow().clone();
        let scope = Scope { session: self.session.iter().cloned().collect(), ..Scope::default() };
        let secret = self.variables.iter().filter(|(_, variable)| variable.secret);
        let compiled =
            secret.filter_map(|(name, _)| Some((name.clone(), self.compile(&format!("{{{{{name}}}}}"), &scope).ok()?)));
        let compiled = compiled.collect();
        *self.used.borrow_mut() = used;
        compiled
    }

    /// Whether any template uses this name.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Checks the names of `--set`: those of `[vars]`, and those that templates use and nothing else sets.
    pub(super) fn check_set(&self) -> Result<(), (String, Problem)> {
        for name in self.set.keys() {
            not_built_in(name).map_err(|problem| (name.clone(), problem))?;
            if !self.variables.contains_key(name) && !self.is_used(name) {
                let hint = nearest(name, self.variables.keys().map(String::as_str));
                let known = self.variables.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let remedy = if known.is_empty() { "leave it out".to_owned() } else { format!("[vars] has {known}") };
                return Err((name.clone(), (format!("the file has no variable {name}{hint}"), remedy)));
            }
        }
        Ok(())
    }

    /// Compiles a template for a place in the file.
    pub(super) fn compile(&self, source: &str, scope: &Scope) -> Result<Template, Problem> {
        let mut expansion = Expansion { scope, within: Vec::new(), count: 0 };
        self.expand(source, &mut expansion, false)
    }

    /// Compiles a regular expression for a place in the file; values are quoted.
    pub(super) fn compile_pattern(&self, source: &str, scope: &Scope) -> Result<Template, Problem> {
        let mut expansion = Expansion { scope, within: Vec::new(), count: 0 };
        let mut pattern = Template::default();
        for piece in pieces(source)? {
            match piece {
                Piece::Text(text) => pattern.push_literal(text, false),
                Piece::Value(expression, mut filters) => {
                    filters.push(Filter::Regex);
                    self.evaluate(expression, filters, &mut expansion, false, &mut pattern)?;
                }
            }
        }
        Ok(pattern)
    }

    /// Compiles a variable alone, as if all names had values.
    pub(super) fn check_variable(&self, name: &str) -> Result<(), Problem> {
        let everything = Scope {
            session: self.session.iter().cloned().collect(),
            connection: self.connection.iter().cloned().collect(),
            local: Vec::new(),
            text: true,
            seq: true,
        };
        let used = self.used.borrow().clone();
        let outcome = not_built_in(name).and_then(|()| {
            self.compile(&format!("{{{{{name}}}}}"), &everything)?;
            Ok(())
        });
        *self.used.borrow_mut() = used;
        outcome
    }

    fn expand<'a>(&'a self, source: &'a str, at: &mut Expansion<'a>, secret: bool) -> Result<Template, Problem> {
        let mut template = Template::default();
        for piece in pieces(source)? {
            match piece {
                Piece::Text(text) => template.push_literal(text, secret),
                Piece::Value(expression, filters) => self.evaluate(expression, filters, at, secret, &mut template)?,
            }
        }
        Ok(template)
    }

    fn evaluate<'a>(
        &'a self,
        expression: Expression<'a>,
        filters: Vec<Filter>,
        at: &mut Expansion<'a>,
        secret: bool,
        template: &mut Template,
    ) -> Result<(), Problem> {
        match expression {
            Expression::Quoted(text) => template.push_template(constant(text, secret), filters),
            Expression::Name(name) => {
                self.note_use(name);
                self.value(name, filters, at, secret, template)?;
            }
        }
        Ok(())
    }

    fn value<'a>(
        &'a self,
        name: &'a str,
        filters: Vec<Filter>,
        at: &mut Expansion<'a>,
        secret: bool,
        template: &mut Template,
    ) -> Result<(), Problem> {
        if let Some((slot, hidden)) = self.slot(name, at.scope)? {
            template.push_value(slot, filters, hidden || secret);
            return Ok(());
        }
        let variable = self.variables.get(name);
        let secret = secret || variable.is_some_and(|variable| variable.secret);
        if let Some(text) = self.set.get(name) {
            template.push_template(constant(text, secret), filters);
        } else if let Some(at) = self.columns.iter().position(|column| column == name) {
            let at = u16::try_from(at).map_err(|_| ("too many columns".to_owned(), "leave some out".to_owned()))?;
            template.push_value(ValueRef::Column(at), filters, secret || name != "username");
        } else if let Some(variable) = variable {
            at.enter(name)?;
            let inner = self.expand(&variable.source, at, secret)?;
            at.within.pop();
            template.push_template(inner, filters);
        } else {
            return Err(self.unknown(name, at.scope));
        }
        Ok(())
    }

    /// The slot of a built-in variable or a capture, and whether it is secret.
    fn slot(&self, name: &str, scope: &Scope) -> Result<Option<(ValueRef, bool)>, Problem> {
        let built_in = BuiltIn::named(name);
        let only =
            |place: &str| Err((format!("{{{{{name}}}}} has no value here"), format!("it exists only in {place}")));
        match built_in {
            Some(BuiltIn::Text) if !scope.text => return only("what [message] sends"),
            Some(BuiltIn::Seq) if !scope.seq => return only("what is sent or expected on a connection"),
            Some(built_in) => return Ok(Some((ValueRef::BuiltIn(built_in), built_in == BuiltIn::Password))),
            None => {}
        }
        if let Some(at) = scope.local.iter().position(|known| known == name) {
            return Ok(Some((ValueRef::Local(at.try_into().unwrap_or(u16::MAX)), true)));
        }
        let captures = [
            (&self.connection, &scope.connection, "a later step of join", ValueRef::Connection as fn(u16) -> ValueRef),
            (&self.session, &scope.session, "another step", ValueRef::Session as fn(u16) -> ValueRef),
        ];
        for (all, taken, whose, slot) in captures {
            let Some(at) = all.iter().position(|known| known == name) else { continue };
            if !taken.contains(name) {
                let remedy = format!("{whose} captures it: use it after that step, or capture it earlier");
                return Err((format!("{{{{{name}}}}} has no value here yet"), remedy));
            }
            return Ok(Some((slot(at.try_into().unwrap_or(u16::MAX)), true)));
        }
        Ok(None)
    }

    fn unknown(&self, name: &str, scope: &Scope) -> Problem {
        let built_in = BuiltIn::ALL.iter().map(|(name, _)| *name);
        let captures = self.session.iter().chain(&self.connection).chain(&scope.local);
        let others = captures.chain(self.variables.keys()).chain(&self.columns).map(String::as_str);
        let hint = nearest(name, built_in.chain(others));
        let remedy = format!("add {name} to [vars], give --set {name}=…, or capture it in an earlier step");
        (format!("nothing sets {{{{{name}}}}}{hint}"), remedy)
    }
}

fn constant(text: &str, secret: bool) -> Template {
    let mut template = Template::default();
    template.push_literal(text, secret);
    template
}

/// Refuses the name of a built-in variable.
pub(super) fn not_built_in(name: &str) -> Result<(), Problem> {
    if BuiltIn::named(name).is_none() {
        return Ok(());
    }
    Err((format!("{name} is a built-in variable, which cannot be set"), "choose another name".to_owned()))
}

struct Expansion<'a> {
    scope: &'a Scope,
    /// The variables whose values are being expanded.
    within: Vec<&'a str>,
    count: usize,
}

impl<'a> Expansion<'a> {
    fn enter(&mut self, name: &'a str) -> Result<(), Problem> {
        if let Some(at) = self.within.iter().position(|outer| *outer == name) {
            let mut circle = self.within[at..].to_vec();
            circle.push(name);
            let why = format!("[vars] has a cycle: {}", circle.join(" → "));
            return Err((why, "give one of them a value without variables".to_owned()));
        }
        self.count += 1;
        if self.count > MOST_EXPANSIONS {
            return Err((format!("more than {MOST_EXPANSIONS} variables in one text"), "use fewer".to_owned()));
        }
        self.within.push(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
