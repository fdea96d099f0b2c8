//! Completion scripts and the man page.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{
    args::Args,
    failure::{FAILED, Failure},
};

pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "redlock", &mut script);
    write(&script)
}

/// One page for the program, followed by the options of each command.
pub(crate) fn man() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    render(&mut page).map_err(|error| Failure::new(FAILED, error.to_string()))?;
    write(&page)
}

fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut program = Args::command();
    program.build();
    let man = Man::new(program.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        if command.get_name() == "help" {
            continue;
        }
        let about = command.get_long_about().or_else(|| command.get_about());
        writeln!(page, ".SH COMMAND {}", command.get_name().to_uppercase())?;
        let about = about.map(ToString::to_string).unwrap_or_default();
        writeln!(page, "{}", about.replace("\n\n", "\n.PP\n"))?;
        let own = command.clone().mut_args(|arg| {
            let shared = arg.is_global_set();
            arg.hide(shared)
        });
        let mut options = Vec::new();
        Man::new(own).render_options_section(&mut options)?;
        // The options of a command are a part of its section.
        let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS", ".SS Options");
        page.write_all(options.as_bytes())?;
    }
    man.render_extra_section(page)
}

fn write(text: &[u8]) -> Result<ExitCode, Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(FAILED, error.to_string()))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
