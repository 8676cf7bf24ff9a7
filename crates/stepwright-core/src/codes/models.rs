//! `SW05xx`: models.

super::entry::catalogue! {
    /// A model failed in a way that has no code of its own. The message is the one of the provider.
    MODEL_FAILED = 501, "the model failed";

    /// The provider refused the request because there were too many. The step is tried again if it
    /// has retries, after the time that the provider asks for.
    MODEL_RATE_LIMITED = 502, "too many requests to the model";

    /// The provider did not accept the API key: it is missing, wrong, or may not use this model, or
    /// the account has no credit.
    ///
    /// `docs/models.md` lists the variable of each provider, such as `OPENAI_API_KEY`.
    MODEL_KEY_REFUSED = 503, "the provider refused the key";

    /// The provider says that the request is wrong, so a retry would fail too. Typical causes are a
    /// model that does not exist, an option that it does not have, or a prompt that is too long.
    MODEL_REQUEST_INVALID = 504, "the provider refused the request";

    /// The provider is overloaded, or has an internal error. Give the step retries, or use another
    /// model.
    MODEL_OVERLOADED = 505, "the provider is overloaded";

    /// The connection to the provider failed. Check the base URL and the network.
    MODEL_UNREACHABLE = 506, "the provider cannot be reached";

    /// The model sent nothing for as long as its idle timeout. Raise `idle_timeout`, or give the
    /// step retries.
    MODEL_SILENT = 507, "the model was silent for too long";

    /// The answer broke off before the model had finished. Give the step retries.
    MODEL_BROKE_OFF = 508, "the answer broke off";

    /// The answer of the provider cannot be read. A typical cause is a base URL at which there is
    /// no server for models.
    MODEL_ANSWER_MALFORMED = 509, "the answer cannot be read";

    /// The model refused to answer. Change the request, or choose another model.
    MODEL_REFUSED = 510, "the model refused to answer";

    /// The provider reported an error that belongs to none of the other kinds.
    MODEL_PROVIDER_FAILED = 511, "the provider reported an error";

    /// The model ended its turn without a text and without a call of a tool, also after it was
    /// asked again.
    MODEL_ANSWER_EMPTY = 512, "the model gave no answer";

    /// The answer does not match the output schema of the agent, also after the model was asked
    /// again. Simplify the output type, or use a model with structured output.
    MODEL_ANSWER_MISMATCH = 513, "the answer does not match the output schema";

    /// The answer reached the largest number of tokens. Raise `max_output_tokens`, or ask for a
    /// shorter answer.
    MODEL_ANSWER_TOO_LONG = 514, "the answer is longer than allowed";

    /// The model stopped for a reason that is not the end of an answer. The message names it. Give
    /// the step retries, or use another model.
    MODEL_UNFINISHED = 515, "the model did not finish its answer";

    /// An agent called its model as often as `max_turns` allows, and still wants to go on. Raise
    /// the limit, or tell the agent in its instructions when to stop.
    AGENT_TURNS_EXHAUSTED = 516, "the agent ran out of turns";

    /// The step was interrupted, and the agent has changed since it began, so the recorded part
    /// does not fit. Start a new run.
    AGENT_CHANGED = 517, "the agent has changed since the step began";

    /// There is no API key for the provider. Set the variable that the help names, or give the key
    /// in code.
    ///
    /// ```sh
    /// export OPENAI_API_KEY=sk-…
    /// ```
    MODEL_KEY_MISSING = 518, "no API key for the provider";
}
