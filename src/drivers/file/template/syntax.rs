//! The syntax of templates.

use super::filter::Filter;

/// A piece of a template's source.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Piece<'a> {
    /// Literal text.
    Text(&'a str),
    /// An expression between `{{` and `}}`.
    Value(Expression<'a>, Vec<Filter>),
}

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Expression<'a> {
    /// A variable.
    Name(&'a str),
    /// A text in quotes.
    Quoted(&'a str),
}

/// Parses a template.
///
/// # Errors
/// A reason and a remedy.
pub(in super::super) fn pieces(mut source: &str) -> Result<Vec<Piece<'_>>, (String, String)> {
    let mut pieces = Vec::new();
    while let Some((text, rest)) = source.split_once("{{") {
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let (piece, behind) = value(rest)?;
        pieces.push(piece);
        source = behind;
    }
    if !source.is_empty() {
        pieces.push(Piece::Text(source));
    }
    Ok(pieces)
}

/// Parses a value after its opening braces; returns it and the rest after the closing ones.
fn value(source: &str) -> Result<(Piece<'_>, &str), (String, String)> {
    let unclosed = || {
        let beginning: String = source.chars().take(20).collect();
        (
            format!("{{{{ is not closed: {{{{{beginning}"),
            "close it with }}, or write {{\"{{\"}} for the two braces themselves".to_owned(),
        )
    };
    let trimmed = source.trim_start();
    let (expression, rest) = if let Some(quoted) = trimmed.strip_prefix('"') {
        let (text, rest) = quoted.split_once('"').ok_or_else(unclosed)?;
        (Expression::Quoted(text), rest)
    } else {
        let end = trimmed.find(['|', '}']).ok_or_else(unclosed)?;
        let (name, rest) = trimmed.split_at(end);
        (Expression::Name(name.trim_end()), rest)
    };
    let (filters, behind) = rest.split_once("}}").ok_or_else(unclosed)?;
    if let Expression::Name(name) = expression
        && !is_name(name)
    {
        return Err((
            format!("{name:?} is not a variable name"),
            "names are letters, digits and _, and do not begin with a digit".to_owned(),
        ));
    }
    Ok((Piece::Value(expression, named(filters.trim())?), behind))
}

/// `|json|url` as filters.
fn named(filters: &str) -> Result<Vec<Filter>, (String, String)> {
    let mut names = filters.split('|').map(str::trim);
    match names.next() {
        Some("") => names.map(Filter::named).collect(),
        Some(other) => Err((format!("{other:?} where | and a filter, or }}}}, is expected"), Filter::remedy())),
        None => Ok(Vec::new()),
    }
}

/// Whether a text may name a variable.
pub(in super::super) fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
        && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}
