use std::process::ExitCode;

use clap::{CommandFactory, error::ErrorKind};

use super::{Cli, Failure, fail};

/// Ends a command line that runs nothing: help and version as they are asked for, and what is wrong with the arguments in
/// one line, as every other failure.
pub fn end(error: &clap::Error) -> ExitCode {
    let is_asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_asked_for {
        // Whoever reads it may have gone, as `head` does.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let cli = Cli::command();
    let command = std::env::args_os()
        .skip(1)
        .filter_map(|argument| cli.find_subcommand(argument).map(|command| format!(" {}", command.get_name())))
        .next();
    let told = format!("{}; see walcast{} --help", message(&error.render().to_string()), command.unwrap_or_default());
    fail(&*Failure::from(told))
}

/// What clap says, without its heading and its usage.
fn message(said: &str) -> String {
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|mark| said.find(mark)).min();
    let said = end.and_then(|end| said.get(..end)).unwrap_or(said);
    said.trim().split("\n\n").map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{super::Cli, message};

    #[test]
    fn every_option_says_what_it_is_and_its_unit() {
        let cli = Cli::command();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for option in command.get_arguments().chain(cli.get_arguments()) {
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{} --{} has no help", command.get_name(), option.get_id());
                let unit = match option.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
                    Some("BYTES") => "MiB",
                    Some("TIME") => "ms, s, m, h, d",
                    Some(_) => "",
                    None => panic!("{} --{} does not name its value", command.get_name(), option.get_id()),
                };
                assert!(help.contains(unit), "--{} tells no unit: {help}", option.get_id());
            }
        }
    }

    #[test]
    fn a_message_is_one_sentence_with_its_tip() {
        let said = |arguments: &[&str]| match Cli::try_parse_from(arguments) {
            Ok(_) => panic!("{arguments:?} were taken"),
            Err(error) => message(&error.render().to_string()),
        };
        let tip = said(&["walcast", "serve", "--lisen", "x"]);
        assert_eq!(tip, "unexpected argument '--lisen' found; tip: a similar argument exists: '--listen'");
        let missing = said(&["walcast", "token"]);
        assert!(missing.starts_with("the following required arguments were not provided:"), "{missing}");
        assert!(!missing.contains("Usage"), "{missing}");
    }
}
