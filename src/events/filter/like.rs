/// A pattern of LIKE: `%` is any text, `_` any character, and a backslash takes the next character as it is.
#[derive(Clone, Debug)]
pub struct Pattern {
    tokens: Vec<Token>,
    /// ILIKE: upper and lower case are the same.
    folds: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Character(char),
    Any,
    Many,
}

/// In bytes: a pattern is tried on every change.
const LONGEST: usize = 256;

impl Pattern {
    /// # Errors
    /// What is wrong with the pattern, as the rest of a sentence about its column.
    pub fn new(text: &str, folds: bool) -> Result<Pattern, String> {
        if text.len() > LONGEST {
            return Err(format!("has a pattern of {} bytes, the limit is {LONGEST}", text.len()));
        }
        let mut tokens = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' if tokens.last() == Some(&Token::Many) => {}
                '%' => tokens.push(Token::Many),
                '_' => tokens.push(Token::Any),
                '\\' => {
                    let escaped = characters.next();
                    let escaped = escaped.ok_or_else(|| "has a pattern that ends with a backslash".to_owned())?;
                    tokens.push(Token::Character(escaped));
                }
                character => tokens.push(Token::Character(character)),
            }
        }
        if folds {
            for token in &mut tokens {
                if let Token::Character(character) = token {
                    *character = lower(*character);
                }
            }
        }
        Ok(Pattern { tokens, folds })
    }

    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text.chars();
        // Behind the last `%`, and the text that it does not take yet.
        let mut retry = None;
        loop {
            match tokens.split_first() {
                Some((Token::Many, [])) => return true,
                Some((Token::Many, behind)) => {
                    tokens = behind;
                    retry = Some((behind, rest.clone()));
                    continue;
                }
                Some((token, behind)) => {
                    let mut ahead = rest.clone();
                    match ahead.next() {
                        None => return false,
                        Some(character) if self.is_met(*token, character) => {
                            (tokens, rest) = (behind, ahead);
                            continue;
                        }
                        Some(_) => {}
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            // The last `%` takes one character more.
            let Some((behind, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (tokens, rest) = (behind, from.clone());
        }
    }

    fn is_met(&self, token: Token, character: char) -> bool {
        match token {
            Token::Character(wanted) => wanted == if self.folds { lower(character) } else { character },
            Token::Any | Token::Many => true,
        }
    }
}

/// One character for one: what has no lower case of its own stays as it is.
fn lower(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => character,
    }
}
