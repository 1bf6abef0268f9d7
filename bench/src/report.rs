//! The outcome, as Markdown.

use std::fmt::Write as _;

/// A table, row by row.
pub struct Table {
    text: String,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Table { text: format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len())) }
    }

    pub fn row(&mut self, cells: &[String]) {
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }
}

/// What one workload gave.
pub struct Section {
    text: String,
}

impl Section {
    /// `what`: what was done, in a sentence or two.
    pub fn new(title: &str, what: &str) -> Self {
        eprintln!("\n{title}");
        Section { text: format!("## {title}\n\n{what}\n\n") }
    }

    pub fn table(&mut self, table: &Table) {
        let _ = writeln!(self.text, "{}", table.text);
    }

    pub fn say(&mut self, line: &str) {
        eprintln!("  {line}");
        let _ = writeln!(self.text, "- {line}");
    }

    /// Whether what is to be reached was.
    pub fn target(&mut self, what: &str, reached: f64, most: f64) {
        self.verdict(&format!("{what}: {reached:.2}× (at most {most}×)"), reached <= most);
    }

    pub fn verdict(&mut self, what: &str, is_reached: bool) {
        self.say(&format!("{what}: {}", if is_reached { "reached" } else { "**missed**" }));
    }

    pub fn text(self) -> String {
        self.text
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => numbers[odd / 2],
        even => (numbers[even / 2 - 1] + numbers[even / 2]) / 2.0,
    }
}

/// The median of the rounds' ratios.
pub fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}
