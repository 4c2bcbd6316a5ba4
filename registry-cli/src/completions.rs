//! `dbreg completions`: what a shell completes.

use crate::exit;
use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

/// Print the completions of a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg completions bash > ~/.local/share/bash-completion/completions/dbreg
  dbreg completions zsh > ~/.zfunc/_dbreg
  dbreg completions fish > ~/.config/fish/completions/dbreg.fish

Exit status: 0, 2 the output cannot be written")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> u8 {
    let mut text = Vec::new();
    generate(
        arguments.shell,
        &mut crate::Arguments::command(),
        "dbreg",
        &mut text,
    );
    exit::print(text, exit::SUCCESS)
}
