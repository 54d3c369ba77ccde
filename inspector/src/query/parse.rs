//! From tokens to an expression whose names and values are known to be good.

use super::field::{Field, NAMES, Type};
use super::lex::{Op, Token, lex};
use crate::text;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Compare(Field, Op, Value),
    OneOf(Field, Vec<Value>),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// In lower case.
    Text(String),
    /// A number, or nanoseconds.
    Number(i128),
}

/// Deeper nesting is refused rather than followed to the end of the stack.
const DEEPEST: usize = 64;

/// Reads a filter.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: lex(text)?.into_iter().peekable(),
        depth: 0,
    };
    let expr = parser.any()?;
    match parser.tokens.next() {
        None => Ok(expr),
        Some(token) => Err(format!(
            "{} is not expected there; join comparisons with && or ||",
            name(&token)
        )),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Expr, String> {
        let mut expr = self.all()?;
        while self.tokens.next_if_eq(&Token::Or).is_some() {
            expr = Expr::Or(Box::new(expr), Box::new(self.all()?));
        }
        Ok(expr)
    }

    fn all(&mut self) -> Result<Expr, String> {
        let mut expr = self.one()?;
        while self.tokens.next_if_eq(&Token::And).is_some() {
            expr = Expr::And(Box::new(expr), Box::new(self.one()?));
        }
        Ok(expr)
    }

    fn one(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the filter is nested too deeply".into());
        }
        let expr = match self.tokens.next() {
            Some(Token::Not) => Expr::Not(Box::new(self.one()?)),
            Some(Token::Open) => {
                let inner = self.any()?;
                match self.tokens.next() {
                    Some(Token::Close) => inner,
                    _ => return Err("a parenthesis is not closed".into()),
                }
            }
            Some(Token::Word(word)) => self.comparison(&word)?,
            Some(token) => {
                return Err(format!(
                    "a comparison such as `state=parked` must stand before {}",
                    name(&token)
                ));
            }
            None => return Err("a comparison such as `state=parked` is missing".into()),
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn comparison(&mut self, word: &str) -> Result<Expr, String> {
        let lower = word.to_lowercase();
        let field = NAMES
            .iter()
            .find(|(name, _)| *name == lower)
            .map(|(_, field)| *field)
            .ok_or_else(|| {
                format!(
                    "no field is called `{word}`; {}",
                    text::suggestion(&lower, NAMES.iter().map(|(name, _)| *name))
                )
            })?;
        match self.tokens.next() {
            Some(Token::Op(op)) => {
                let Some(Token::Word(value)) = self.tokens.next() else {
                    return Err(format!("the value to compare `{word}` with is missing"));
                };
                comparable(field, word, op)?;
                let contains = matches!(op, Op::Contains | Op::ContainsNot);
                let value = if contains {
                    Value::Text(value.to_lowercase())
                } else {
                    read(field, word, &value)?
                };
                Ok(Expr::Compare(field, op, value))
            }
            Some(Token::Word(keyword)) if keyword.eq_ignore_ascii_case("in") => {
                self.list(field, word)
            }
            _ => Err(format!(
                "`{word}` must be compared with something, as in `{word}=…`"
            )),
        }
    }

    fn list(&mut self, field: Field, word: &str) -> Result<Expr, String> {
        let shape = || format!("write the list as `{word} in (a, b)`");
        self.tokens.next_if_eq(&Token::Open).ok_or_else(shape)?;
        let mut values = Vec::new();
        loop {
            match self.tokens.next() {
                Some(Token::Word(value)) => values.push(read(field, word, &value)?),
                _ => return Err(shape()),
            }
            match self.tokens.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(Expr::OneOf(field, values)),
                _ => return Err(shape()),
            }
        }
    }
}

fn comparable(field: Field, word: &str, op: Op) -> Result<(), String> {
    let ordered = matches!(
        op,
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
    );
    let contains = matches!(op, Op::Contains | Op::ContainsNot);
    match field.kind() {
        Type::Text | Type::OneOf(_) if ordered => {
            Err(format!("`{word}` has no order; use = != ~ or !~"))
        }
        Type::Number | Type::Duration if contains => {
            Err(format!("`{word}` is not text; use = != < <= > or >="))
        }
        _ => Ok(()),
    }
}

fn read(field: Field, word: &str, value: &str) -> Result<Value, String> {
    let lower = value.to_lowercase();
    match field.kind() {
        Type::Text => Ok(Value::Text(lower)),
        Type::OneOf(known) => {
            let known = known();
            if known.contains(&lower.as_str()) {
                Ok(Value::Text(lower))
            } else {
                Err(format!(
                    "`{value}` is no {word}; {}",
                    text::suggestion(&lower, known.iter().copied())
                ))
            }
        }
        Type::Number => number(value)
            .map(Value::Number)
            .ok_or_else(|| format!("`{value}` is no number")),
        Type::Duration => {
            let (sign, digits) = match value.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, value.strip_prefix('+').unwrap_or(value)),
            };
            let duration = humantime::parse_duration(digits)
                .map_err(|_| format!("`{value}` is no duration; write it as 5s, 10ms or 2min"))?;
            Ok(Value::Number(
                sign * i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX),
            ))
        }
    }
}

fn number(text: &str) -> Option<i128> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(rest) => (rest, 1_000),
        None => match text.strip_suffix('M') {
            Some(rest) => (rest, 1_000_000),
            None => (
                text.strip_suffix('G').unwrap_or(text),
                if text.ends_with('G') {
                    1_000_000_000
                } else {
                    1
                },
            ),
        },
    };
    digits
        .parse::<i64>()
        .ok()
        .map(|value| i128::from(value) * unit)
}

fn name(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::And => "`&&`".into(),
        Token::Or => "`||`".into(),
        Token::Not => "`!`".into(),
        Token::Open => "`(`".into(),
        Token::Close => "`)`".into(),
        Token::Comma => "`,`".into(),
        Token::Op(_) => "a comparison".into(),
    }
}
