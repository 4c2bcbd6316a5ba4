//! The values that an application would start with, here and now: what `list`, `explain` and everything live read.

use crate::check::{complain, has_errors};
use crate::exit::{self, Failure};
use crate::source::{FILE, Source};
use clap::Args;
use registry_config::{Loaded, Shape, load};
use registry_core::tasks::TasksBuilder;
use registry_core::{Given, Inspection};
use std::path::PathBuf;

/// The options of every command that needs them.
#[derive(Args)]
pub(crate) struct Start {
    /// The file that names the connections, or the folder that it is in
    #[arg(long, help_heading = "Values", value_name = "PATH", default_value = FILE)]
    file: PathBuf,
    /// The profile. Default: the variable DBREG_PROFILE, else none
    #[arg(long, help_heading = "Values", value_name = "NAME")]
    profile: Option<String>,
    /// A second file, whose values are laid over those of the first. Default: what the variable DBREG_CONFIG names
    #[arg(long, help_heading = "Values", value_name = "PATH")]
    config_file: Option<PathBuf>,
    /// The first word of the variables: what `#[registry(env = "…")]` says
    #[arg(long, help_heading = "Values", value_name = "WORD", default_value = "DBREG")]
    prefix: String,
}

impl Start {
    /// The folder of the file.
    pub(crate) fn folder(&self) -> PathBuf {
        if self.file.is_dir() {
            return self.file.clone();
        }
        match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The model of the file. Its mistakes are told.
    pub(crate) fn shape(&self) -> Result<Shape, Failure> {
        let source = Source::read(&self.file).map_err(|message| Failure(exit::USAGE, Some(message)))?;
        let loaded = load(&source.text, &source.name);
        if has_errors(&loaded) {
            complain(&loaded, &source);
            return Err(Failure(exit::CONFIG, None));
        }
        let Loaded { shape, .. } = loaded;
        Ok(shape)
    }

    /// The values, with those of the second file and of the variables. What would stop a start is told, and ends here.
    pub(crate) fn inspect<'s>(&self, shape: &'s Shape) -> Result<Inspection<'s>, Failure> {
        let inspection = Inspection::new(shape, &self.prefix, self.given());
        for warning in inspection.warnings() {
            exit::say(format_args!("warning: {warning}"));
        }
        if inspection.problems().is_empty() {
            return Ok(inspection);
        }
        inspection.problems().iter().for_each(exit::say);
        Err(Failure(exit::CONFIG, None))
    }

    /// The same values, for the verbs.
    pub(crate) fn lay_on(&self, mut builder: TasksBuilder) -> TasksBuilder {
        builder = builder.prefix(&self.prefix);
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        }
        if let Some(path) = &self.config_file {
            builder = builder.config_file(path);
        }
        builder
    }

    /// What the command line says of them.
    fn given(&self) -> Given {
        Given {
            profile: self.profile.clone(),
            config_file: self.config_file.clone(),
            ..Given::default()
        }
    }
}
