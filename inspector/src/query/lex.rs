//! Words, operators and parentheses.

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a value, quoted or not.
    Word(String),
    /// A comparison.
    Op(Op),
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

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    ContainsNot,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [(&str, Token); 16] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Op(Op::Equal)),
    ("!=", Token::Op(Op::NotEqual)),
    ("!~", Token::Op(Op::ContainsNot)),
    ("<=", Token::Op(Op::LessOrEqual)),
    (">=", Token::Op(Op::GreaterOrEqual)),
    ("=", Token::Op(Op::Equal)),
    ("<", Token::Op(Op::Less)),
    (">", Token::Op(Op::Greater)),
    ("~", Token::Op(Op::Contains)),
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
                return Err(format!("`{first}` means nothing here"));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}
