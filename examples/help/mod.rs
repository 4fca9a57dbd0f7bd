//! What `--help` says: the words that a program's own file begins with.

/// Whether somebody asks for help, which is then given.
pub(crate) fn is_given(source: &str) -> bool {
    let asked = std::env::args_os().skip(1).any(|argument| argument == "--help");
    if asked {
        print!("{}", beginning(source));
    }
    asked
}

fn beginning(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let words = lines.filter(|line| !line.trim_start().starts_with("```"));
    words.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}
