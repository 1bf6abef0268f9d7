//! A file of the tree, with what a rule may ask about it.

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The files under some folders of the tree that have one of these extensions, in a fixed order.
pub fn files(folders: &[&str], extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| Path::new(ROOT).join(folder)).collect();
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "node_modules") {
                    open.push(path);
                }
            } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The text of a file, and its code: the same with comments and literals blanked, so that every place keeps its line.
pub struct Source {
    path: PathBuf,
    text: String,
    code: String,
}

impl Source {
    pub fn read(path: &Path) -> Source {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Source::of(path, text)
    }

    fn of(path: &Path, text: String) -> Source {
        let code = blank(&text);
        Source { path: path.to_owned(), text, code }
    }

    /// Its path in the tree.
    pub fn name(&self) -> String {
        self.path.strip_prefix(ROOT).unwrap_or(&self.path).display().to_string()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The names from `src/` down: `["hub", "rooms"]` for src/hub/rooms.rs, `["hub"]` for src/hub/mod.rs.
    fn module(&self) -> Vec<String> {
        let in_src = self.path.strip_prefix(Path::new(ROOT).join("src")).unwrap_or(&self.path).with_extension("");
        let names = in_src.iter().map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name != "mod").collect()
    }

    /// The top-level module that it belongs to; `None` for the crate's roots.
    pub fn part(&self) -> Option<String> {
        self.module().into_iter().next().filter(|name| name != "lib" && name != "main")
    }

    /// Whether all of it is tests.
    pub fn is_test(&self) -> bool {
        self.module().iter().any(|name| name == "tests" || name.ends_with("_tests"))
    }

    /// The lines on which the code has this text.
    pub fn find(&self, text: &str) -> Vec<usize> {
        self.code.match_indices(text).map(|(at, _)| self.line(at)).collect()
    }

    /// The code's identifiers and keywords, each with its line.
    pub fn words(&self) -> Vec<(usize, &str)> {
        let mut words = Vec::new();
        for (number, line) in self.code.lines().enumerate() {
            let found = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
            words.extend(found.map(|word| (number + 1, word)));
        }
        words
    }

    /// What the code names of the crate's top level: the `a`, `b` and `c` of `crate::a::x` and `crate::{b::y, c}`, and of
    /// the same from `super::` where that is the top level.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let top = "super::".repeat(self.module().len());
        let mut found = Vec::new();
        for path in ["crate::", top.as_str()] {
            for (at, _) in self.code.match_indices(path).filter(|(at, _)| !self.code[..*at].ends_with(is_path)) {
                let start = at + path.len();
                found.extend(
                    heads(&self.code[start..]).into_iter().map(|(offset, name)| (self.line(start + offset), name)),
                );
            }
        }
        found
    }

    /// The same without the items under `#[cfg(test)]`.
    pub fn without_tests(&self) -> Source {
        const MARK: &str = "#[cfg(test)]";
        let mut code = self.code.clone();
        while let Some(start) = code.find(MARK) {
            let item = start + MARK.len();
            let mut depth = 0_usize;
            let end = code[item..].char_indices().find_map(|(at, c)| {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth.saturating_sub(1),
                    _ => depth,
                };
                (depth == 0 && (c == '}' || c == ';')).then_some(item + at + 1)
            });
            let end = end.unwrap_or(code.len());
            let blanked: String = code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            code.replace_range(start..end, &blanked);
        }
        Source { path: self.path.clone(), text: self.text.clone(), code }
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_path(c: char) -> bool {
    is_word(c) || c == ':'
}

/// The first names of a use tree: one, or those of a group.
fn heads(tree: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut depth, mut at_head) = (0_usize, true);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => at_head = true,
            _ if is_word(c) && at_head => {
                found.push((at, tree[at..].chars().take_while(|c| is_word(*c)).collect()));
                at_head = false;
            }
            _ => {}
        }
        // A tree that is no group ends with its first name.
        if depth == 0 && !c.is_whitespace() {
            break;
        }
    }
    found
}

/// Rust with comments, texts and characters blanked; what is no Rust comes out as something harmless.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (length, keep) = literal(rest, code.chars().next_back().is_some_and(is_word));
        let length = if length == 0 { c.len_utf8() } else { length };
        let (taken, left) = rest.split_at(length);
        code.extend(taken.chars().map(|c| if keep || c == '\n' { c } else { ' ' }));
        rest = left;
    }
    code
}

/// The bytes of the comment or literal that begins here, else 0; and whether it is code all the same.
fn literal(rest: &str, in_word: bool) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), false);
    }
    if let Some(after) = rest.strip_prefix('"') {
        return (1 + closing(after, '"'), false);
    }
    let hashes = rest.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes.filter(|hashes| !in_word && rest[1 + hashes..].starts_with('"')) {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = 2 + hashes;
        return (rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()), false);
    }
    if let Some(after) = rest.strip_prefix('\'') {
        // 'a' and '\n' are characters; 'a without a closing quote is a lifetime.
        let mut chars = after.chars();
        let is_character = match chars.next() {
            Some('\\') => true,
            Some(_) => chars.next() == Some('\''),
            None => false,
        };
        return if is_character { (1 + closing(after, '\''), false) } else { (0, true) };
    }
    (0, true)
}

/// The bytes up to and with the closing quote.
fn closing(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &str, text: &str) -> Source {
        Source::of(&Path::new(ROOT).join(file), text.to_owned())
    }

    fn imports(file: &str, text: &str) -> Vec<String> {
        source(file, text).imports().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn imports_are_found_in_every_form() {
        let text =
            "use crate::{\n    auth::{Key, Other},\n    hub,\n};\nfn f() { crate::http::serve() } pub(crate) fn g() {}";
        assert_eq!(imports("src/store/pool.rs", text), ["auth", "hub", "http"]);
        assert_eq!(source("src/store/pool.rs", text).imports()[1].0, 3, "with their lines");
        assert_eq!(imports("src/store/mod.rs", "use super::gateway;"), ["gateway"]);
        assert_eq!(imports("src/store/pool.rs", "use super::error; use super::super::gateway;"), ["gateway"]);
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "// crate::a\n/* crate::b */ let s = \"crate::c \\\" crate::d\"; r#\"crate::e\"#; '\"'; fn f<'a>() { crate::g::h() }";
        assert_eq!(imports("src/store/pool.rs", text), ["g"]);
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let text = "#[cfg(test)]\nmod tests;\nfn f() { a.unwrap() }\n#[cfg(test)]\nmod more {\n fn g() { b.unwrap() }\n}\nfn h() { c.unwrap() }";
        assert_eq!(source("src/store/pool.rs", text).without_tests().find(".unwrap()"), [3, 8]);
        assert!(source("src/decode/tests/bytes.rs", "").is_test());
        assert!(source("src/events/json_tests.rs", "").is_test());
        assert!(!source("src/events/json.rs", "").is_test());
    }
}
