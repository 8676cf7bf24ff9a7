//! A model that answers nothing, for runs whose requests a recording answers.

use crate::registry::model;
use futures_util::stream;
use stepwright_core::model::{
    AnyModel, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream,
};

/// Returns a stand-in for the models with these names, as one chain. It has their ids, needs no
/// key, and fails every request: in a playback, none may reach a provider.
///
/// ```
/// use stepwright_core::model::Model as _;
/// let model = stepwright_models::silent(["openai:gpt-5", "offline"]);
/// assert_eq!(model.id(), "openai:gpt-5, else offline:extract");
/// ```
pub fn silent<'n>(names: impl IntoIterator<Item = &'n str>) -> AnyModel {
    let ids = names.into_iter().flat_map(|name| match model(name) {
        Ok(model) => model.ids().into_iter().map(ToOwned::to_owned).collect(),
        // The provider lacks its key.
        Err(_) => vec![name.trim().to_owned()],
    });
    let ids: Vec<String> = ids.collect();
    AnyModel::new(Silent { id: ids.join(", else "), ids })
}

#[derive(Debug)]
struct Silent {
    id: String,
    ids: Vec<String>,
}

impl Model for Silent {
    fn id(&self) -> &str {
        &self.id
    }

    fn ids(&self) -> Vec<&str> {
        self.ids.iter().map(String::as_str).collect()
    }

    fn stream(&self, _: ModelRequest) -> ModelStream {
        let what = "this run is a playback, and its recording does not answer this request";
        let error = ModelError::new(ModelErrorKind::Refused, what);
        Box::pin(stream::once(std::future::ready(Err(error))))
    }
}
