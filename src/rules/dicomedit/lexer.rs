//! Tokens of a DicomEdit 6 script.

use super::SyntaxError;
use super::source::Source;
use crate::rules::position::Position;
use winnow::Parser;
use winnow::combinator::{alt, delimited, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::token::{none_of, one_of, take_while};

type Lexed<T> = Result<T, EmptyError>;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    NewLine,
    /// `(gggg,eeee)` or `(gggg,{creator}ee)`, without its parentheses.
    Tag(String),
    /// As it stands between its quotes, with `\\` decoded.
    Text(String),
    Number(String),
    Word(String),
    Symbol(&'static str),
    End,
}

/// A token, where it starts, and its own text.
#[derive(Debug, Clone)]
pub struct Lexeme {
    pub token: Token,
    pub position: Position,
    pub text: String,
}

/// # Errors
/// The first character that begins no token, with what was probably meant.
pub fn lex(source: &Source) -> Result<Vec<Lexeme>, SyntaxError> {
    let mut rest = source.text.as_str();
    let mut lexemes = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\u{C}']);
        let position = source.position(source.text.len() - rest.len());
        if rest.is_empty() {
            lexemes.push(Lexeme {
                token: Token::End,
                position,
                text: "the end of the script".to_owned(),
            });
            return Ok(lexemes);
        }
        let before = rest;
        let lexed = token.parse_next(&mut rest);
        let Ok(token) = lexed else {
            return Err(SyntaxError {
                position,
                message: what_is_wrong(before),
            });
        };
        let text = &before[..before.len() - rest.len()];
        lexemes.push(Lexeme {
            token,
            position,
            text: shown(text),
        });
    }
}

fn token(input: &mut &str) -> Lexed<Token> {
    alt((
        '\n'.value(Token::NewLine),
        tag.map(Token::Tag),
        text.map(Token::Text),
        number.map(|text: &str| Token::Number(text.to_owned())),
        word.map(|text: &str| Token::Word(text.to_owned())),
        symbol.map(Token::Symbol),
    ))
    .parse_next(input)
}

/// No blank may stand behind the opening nor before the closing parenthesis; around the comma it may.
fn tag(input: &mut &str) -> Lexed<String> {
    let creator = ('{', take_while(1.., |c| c != '}' && c != '\n'), '}').take();
    let element = (opt(creator), take_while(2..=4, is_digit)).take();
    delimited('(', (group, blanks, ',', blanks, element), ')')
        .map(|(group, _, _, _, element): (&str, _, _, _, &str)| format!("{group},{element}"))
        .parse_next(input)
}

fn group<'a>(input: &mut &'a str) -> Lexed<&'a str> {
    take_while(4, is_digit).parse_next(input)
}

fn blanks<'a>(input: &mut &'a str) -> Lexed<&'a str> {
    take_while(0.., [' ', '\t']).parse_next(input)
}

/// A hexadecimal digit, or a wildcard for one.
fn is_digit(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, 'X' | 'x' | '@' | '#')
}

fn text(input: &mut &str) -> Lexed<String> {
    let octal = || one_of('0'..='7');
    let escape = preceded(
        '\\',
        alt((
            one_of(['n', 'r', 't', 'b', 'f', '(', ')', '\\']).void(),
            (octal(), octal(), octal()).void(),
        )),
    );
    let character = alt((none_of(['"', '\\', '\n']).void(), escape));
    delimited('"', repeat::<_, _, (), _, _>(0.., character).take(), '"')
        .map(|text: &str| text.replace(r"\\", r"\"))
        .parse_next(input)
}

/// Numbers are carried as their text.
fn number<'a>(input: &mut &'a str) -> Lexed<&'a str> {
    let digits = || take_while(1.., |c: char| c.is_ascii_digit());
    (opt('-'), digits(), opt(('.', digits())))
        .take()
        .parse_next(input)
}

fn word<'a>(input: &mut &'a str) -> Lexed<&'a str> {
    let first = one_of(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_');
    (first, rest).take().parse_next(input)
}

fn symbol(input: &mut &str) -> Lexed<&'static str> {
    const SYMBOLS: [&str; 20] = [
        ":=", "?=", "!=", "!~", "=", "~", "?", ":", "[", "]", "{", "}", "(", ")", ",", "/", "*",
        "+", ".", "-",
    ];
    for symbol in SYMBOLS.iter().chain(&["%"]) {
        if let Some(rest) = input.strip_prefix(symbol) {
            *input = rest;
            return Ok(symbol);
        }
    }
    Err(EmptyError)
}

fn what_is_wrong(rest: &str) -> String {
    let line = rest.lines().next().unwrap_or_default();
    let Some(first) = line.chars().next() else {
        return "the script ends in the middle".to_owned();
    };
    if first == '"' {
        let body = &line[1..];
        let mut characters = body.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => break,
                '\\' => {
                    let escaped = &body[at + 1..];
                    let is_octal = escaped.len() >= 3
                        && escaped.bytes().take(3).all(|b| (b'0'..=b'7').contains(&b));
                    match characters.next() {
                        Some((_, 'n' | 'r' | 't' | 'b' | 'f' | '(' | ')' | '\\')) => {}
                        Some(_) if is_octal => {}
                        Some((_, c)) => {
                            return format!(
                                "the string {} holds \\{c}: a backslash is written as two, such as \"\\\\d\"",
                                shown(line)
                            );
                        }
                        None => break,
                    }
                }
                _ => {}
            }
        }
        return format!(
            "the string {} has no closing quote on its line (a line that ends in a backslash goes on in the next)",
            shown(line)
        );
    }
    if first == '\\' {
        return "a backslash joins two lines only as the very last character of its line"
            .to_owned();
    }
    if first == '\'' || first == '“' || first == '”' {
        return format!("{first} is no quote here: strings stand in straight double quotes, \"…\"");
    }
    format!("{first:?} begins nothing that DicomEdit knows")
}

/// So much of a text as a message holds.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text {
        "\n" => "the end of the line".to_owned(),
        text if text.chars().count() > MOST => {
            let start: String = text.chars().take(MOST).collect();
            format!("`{start}…`")
        }
        text => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let lexed = lex(&Source::new(text)).unwrap();
        lexed.into_iter().map(|lexeme| lexeme.token).collect()
    }

    #[test]
    fn only_a_doubled_backslash_is_decoded() {
        let text = |script: &str| match tokens(script).remove(0) {
            Token::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""\\d""#), r"\d");
        assert_eq!(text(r#""A\\B\n\101""#), r"A\B\n\101");
        assert_eq!(text("\"a b\\\n  c\""), "a b  c");
        for wrong in [r#""\d""#, r#""a"#, r#""\18""#] {
            assert!(lex(&Source::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tags_and_parentheses_are_told_apart() {
        assert_eq!(tokens("(0010, 0010)")[0], Token::Tag("0010,0010".into()));
        let private = "(0019,{SIEMENS MR 1.0}0C)";
        assert_eq!(
            tokens(private)[0],
            Token::Tag("0019,{SIEMENS MR 1.0}0C".into())
        );
        assert_eq!(tokens("if (face = 1234)")[1], Token::Symbol("("));
        assert_eq!(tokens("-12.50")[0], Token::Number("-12.50".into()));
        assert_eq!(tokens("x")[0], Token::Word("x".into()));
    }
}
