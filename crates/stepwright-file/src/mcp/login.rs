//! Logins at the servers of a file.

use crate::definition::Definition;
use stepwright_core::{Error, ErrorId};

impl Definition {
    /// Returns the names of the MCP servers at which a person logs in.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Issues
    /// model: offline
    /// mcp: {github: {url: 'https://api.githubcopilot.com/mcp/', oauth: true}}
    /// agents: {reporter: {tools: [mcp:github]}}
    /// steps: [{agent: reporter}]
    /// ";
    /// let definition = Definition::parse(text, "issues.yaml", &Options::default())?;
    /// assert_eq!(definition.logins().collect::<Vec<_>>(), ["github"]);
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn logins(&self) -> impl Iterator<Item = &str> {
        let servers = self.file.mcp.iter().filter(|server| server.has_login());
        servers.map(|server| server.name.text.as_str())
    }

    /// Lets a person log in at an MCP server of the file, and keeps the tokens in the folder of
    /// [`Options::token_dir`](crate::Options::token_dir). `show` gets the address that the person
    /// opens in a browser of this machine.
    ///
    /// # Errors
    /// Fails if there is no such server or no login at it, if a variable has no value, or if the
    /// login fails.
    pub async fn log_in(&self, server: &str, show: impl FnOnce(&str)) -> Result<(), Error> {
        let found = self.file.mcp.iter().find(|it| it.name.text == server && it.has_login());
        let declaration = found.ok_or_else(|| {
            let what =
                format!("`{}` has no MCP server `{server}` with a login", self.file.source.name);
            let error = Error::usage(what).with_id(ErrorId::MCP_LOGIN_NEEDED);
            let names: Vec<String> = self.logins().map(|name| format!("`{name}`")).collect();
            error.with_hint(match names.as_slice() {
                [] => "a server with `url` and `oauth: true` has one".to_owned(),
                names => format!("it has {}", names.join(", ")),
            })
        })?;
        let granted = self.granted()?;
        declaration.built(&granted).log_in(show).await
    }
}
