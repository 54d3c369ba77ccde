//! Words, operators and parentheses.

use netpoller_proto::v1::Operator;

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a value, quoted or not.
    Word(String),
    /// A comparison.
    Op(Operator),
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Not,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [(&str, Token); 16] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Op(Operator::Eq)),
    ("!=", Token::Op(Operator::Ne)),
    ("!~", Token::Op(Operator::Lacks)),
    ("<=", Token::Op(Operator::Le)),
    (">=", Token::Op(Operator::Ge)),
    ("=", Token::Op(Operator::Eq)),
    ("<", Token::Op(Operator::Lt)),
    (">", Token::Op(Operator::Gt)),
    ("~", Token::Op(Operator::Contains)),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
    ("&", Token::And),
];

/// Takes a filter apart.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some((symbol, token)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            tokens.push(token.clone());
            rest = &rest[symbol.len()..];
        } else if first == '"' || first == '\'' {
            let inner = &rest[1..];
            let end = inner
                .find(first)
                .ok_or_else(|| format!("the quote {rest} is not closed"))?;
            tokens.push(Token::Word(inner[..end].to_owned()));
            rest = &inner[end + 1..];
        } else {
            let end = rest
                .find(|letter: char| letter.is_whitespace() || "&|=!<>~(),\"'".contains(letter))
                .unwrap_or(rest.len());
            if end == 0 {
                return Err(format!(
                    "`{first}` means nothing here; quote a text that has it"
                ));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}
