//! The names that a playback must give values to.

use crate::build::all_declared;
use crate::declared::Declared;
use crate::definition::Definition;

impl Definition {
    /// Returns the names of the environment variables that the file and the files within it declare
    /// under `env`.
    pub fn env_names(&self) -> Vec<String> {
        self.names(|declared| &declared.env_names)
    }

    /// Returns the names of the secrets that the file and the files within it declare.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: News
    /// env: [PLACE]
    /// secrets: [NEWS_TOKEN]
    /// steps:
    ///   - name: get
    ///     http:
    ///       url: https://example.com/news
    ///       auth: {bearer: '{{ secrets.NEWS_TOKEN }}'}
    /// ";
    /// let definition = Definition::parse(text, "news.yaml", &Options::default())?;
    /// assert_eq!(definition.secret_names(), ["NEWS_TOKEN"]);
    /// assert_eq!(definition.env_names(), ["PLACE"]);
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn secret_names(&self) -> Vec<String> {
        self.names(|declared| &declared.secret_names)
    }

    fn names(&self, of: impl Fn(&Declared) -> &Vec<String>) -> Vec<String> {
        let mut all = Vec::new();
        all_declared(&self.file, &mut all);
        let mut names: Vec<String> = Vec::new();
        for name in all.iter().flat_map(|declared| of(declared)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}
