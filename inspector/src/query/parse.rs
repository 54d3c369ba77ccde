//! From tokens to a filter of the protocol whose names and values are known to be good.

use netpoller_proto::filter::{Field, Type};
use netpoller_proto::v1::Operator;
use netpoller_proto::v1::filter_value::Value;

use super::expr::{Pattern, Tree};
use super::lex::{Token, lex};
use super::scope::check_sign;
use crate::text;

/// Deeper nesting is refused rather than followed to the end of the stack.
const DEEPEST: usize = 64;

/// Reads a filter.
pub(crate) fn parse(text: &str) -> Result<Tree, String> {
    let mut parser = Parser {
        tokens: lex(text)?.into_iter().peekable(),
        depth: 0,
    };
    let expr = parser.any()?;
    match parser.tokens.next() {
        None => Ok(expr),
        Some(token) => Err(format!(
            "{} is not expected there; join comparisons with `and` or `or`",
            name(&token)
        )),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Tree, String> {
        let mut filters = vec![self.all()?];
        while self.goes_on(&Token::Or, "or") {
            filters.push(self.all()?);
        }
        Ok(joined(filters, Tree::Any))
    }

    fn all(&mut self) -> Result<Tree, String> {
        let mut filters = vec![self.one()?];
        while self.goes_on(&Token::And, "and") {
            filters.push(self.one()?);
        }
        Ok(joined(filters, Tree::All))
    }

    /// Takes what joins two comparisons, the sign or the word. A value that is written like the
    /// word has been taken before.
    fn goes_on(&mut self, sign: &Token, word: &str) -> bool {
        let joins = |token: &Token| token == sign || is_word(token, word);
        self.tokens.next_if(joins).is_some()
    }

    fn one(&mut self) -> Result<Tree, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the filter is nested too deeply".into());
        }
        let expr = match self.tokens.next() {
            Some(token) if token == Token::Not || is_word(&token, "not") => {
                Tree::Not(Box::new(self.one()?))
            }
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

    fn comparison(&mut self, word: &str) -> Result<Tree, String> {
        let lower = word.to_lowercase();
        let field = Field::named(&lower).ok_or_else(|| {
            format!(
                "no field is called `{word}`; {}",
                text::suggestion(&lower, Field::names())
            )
        })?;
        match self.tokens.next() {
            Some(Token::Op(op)) => {
                let value = match self.tokens.next() {
                    Some(Token::Word(value)) => value,
                    Some(token) => {
                        return Err(format!(
                            "a value to compare `{word}` with must stand before {}; quote one that has such characters",
                            name(&token)
                        ));
                    }
                    None => return Err(format!("the value to compare `{word}` with is missing")),
                };
                comparable(field, word, op)?;
                self.compared(field, word, op, &value)
            }
            Some(Token::Word(keyword)) if keyword.eq_ignore_ascii_case("in") => {
                self.list(field, word)
            }
            _ => Err(format!(
                "`{word}` must be compared with something, as in `{word}=…`"
            )),
        }
    }

    fn compared(
        &self,
        field: Field,
        word: &str,
        op: Operator,
        value: &str,
    ) -> Result<Tree, String> {
        let not = |tree| Tree::Not(Box::new(tree));
        match op {
            Operator::Contains | Operator::Lacks => match Pattern::read(value)? {
                Some(pattern) => {
                    let matches = Tree::Match { field, pattern };
                    Ok(if op == Operator::Lacks {
                        not(matches)
                    } else {
                        matches
                    })
                }
                None => Ok(Tree::Compare {
                    field,
                    op,
                    values: vec![Value::Text(value.to_lowercase())],
                }),
            },
            Operator::Eq => Ok(equal(field, vec![read(field, word, value)?])),
            Operator::Ne if field == Field::Id => {
                Ok(not(equal(field, vec![read(field, word, value)?])))
            }
            _ => Ok(Tree::Compare {
                field,
                op,
                values: vec![read(field, word, value)?],
            }),
        }
    }

    fn list(&mut self, field: Field, word: &str) -> Result<Tree, String> {
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
                Some(Token::Close) => return Ok(equal(field, values)),
                _ => return Err(shape()),
            }
        }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(it) if it.eq_ignore_ascii_case(word))
}

/// Several filters as one.
fn joined(mut filters: Vec<Tree>, join: fn(Vec<Tree>) -> Tree) -> Tree {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            join(filters)
        }
    }
}

/// Equal to one of these. An id may be written with its poller, which servers know as two fields.
fn equal(field: Field, values: Vec<Value>) -> Tree {
    let whole = |value: &Value| match value {
        Value::Text(text) if field == Field::Id => text
            .rsplit_once('/')
            .map(|(poller, id)| (poller.to_owned(), id.to_owned())),
        _ => None,
    };
    if !values.iter().any(|value| whole(value).is_some()) {
        let op = if values.len() == 1 {
            Operator::Eq
        } else {
            Operator::In
        };
        return Tree::Compare { field, op, values };
    }
    let one = |field, text| Tree::Compare {
        field,
        op: Operator::Eq,
        values: vec![Value::Text(text)],
    };
    let each = values.into_iter().map(|value| match whole(&value) {
        Some((poller, id)) => Tree::All(vec![one(Field::Poller, poller), one(Field::Id, id)]),
        None => equal(field, vec![value]),
    });
    joined(each.collect(), Tree::Any)
}

fn comparable(field: Field, word: &str, op: Operator) -> Result<(), String> {
    let ordered = matches!(
        op,
        Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge
    );
    let contains = matches!(op, Operator::Contains | Operator::Lacks);
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
    if matches!(field.kind(), Type::Number | Type::Duration) {
        check_sign(field, word, value)?;
    }
    match field.kind() {
        Type::Text if field == Field::Id && !is_id(&lower) => Err(format!(
            "`{value}` is no id; write it as it is printed, 42.7 or POLLER/42.7, or look for a part of it with ~"
        )),
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
            .ok_or_else(|| format!("`{value}` is no number; write it as 20, 1k or 4MiB")),
        Type::Duration => {
            let (sign, digits) = match value.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, value.strip_prefix('+').unwrap_or(value)),
            };
            let duration = humantime::parse_duration(digits)
                .map_err(|_| format!("`{value}` is no duration; write it as 5s, 10ms or 2min"))?;
            let ns = i64::try_from(duration.as_nanos())
                .map_err(|_| format!("`{value}` is too long; the longest duration is 292 years"))?;
            Ok(Value::DurationNs(sign * ns))
        }
    }
}

/// `slot.generation`, with or without the poller.
fn is_id(text: &str) -> bool {
    let id = text.rsplit_once('/').map_or(text, |(_, id)| id);
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    id.split_once('.')
        .is_some_and(|(slot, generation)| is_number(slot) && is_number(generation))
}

/// What a number may end in, and what that stands for.
const UNITS: [(&str, i64); 11] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
];

/// A whole number, as 20, 1k, 2M or 4MiB.
pub(crate) fn number(text: &str) -> Option<i64> {
    let united = |(unit, size): &(&str, i64)| Some((text.strip_suffix(unit)?, *size));
    let (digits, unit) = UNITS.iter().find_map(united).unwrap_or((text, 1));
    digits.parse::<i64>().ok()?.checked_mul(unit)
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
