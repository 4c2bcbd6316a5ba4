//! `dbreg man`: the manual pages.

use crate::exit::{self, Failure};
use clap::{Args, CommandFactory as _};
use clap_mangen::Man;
use std::path::PathBuf;

/// Print the manual page, or write those of all commands into a folder
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg man | man -l -
  dbreg man --folder ~/.local/share/man/man1

Exit status: 0, 2 a page cannot be written")]
pub(crate) struct Arguments {
    /// A folder for dbreg.1, dbreg-check.1 and so on; it must be there
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let command = crate::Arguments::command();
    let Some(folder) = &arguments.folder else {
        let mut text = Vec::new();
        let rendered = Man::new(command).render(&mut text);
        rendered.map_err(|cause| Failure(exit::USAGE, Some(format!("cannot render the page: {cause}"))))?;
        return Ok(exit::print(text, exit::SUCCESS));
    };
    clap_mangen::generate_to(command, folder).map_err(|cause| {
        Failure(
            exit::USAGE,
            Some(format!("cannot write into {}: {cause}", folder.display())),
        )
    })?;
    Ok(exit::SUCCESS)
}
