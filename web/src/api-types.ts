// The types of `/v1`, from the OpenAPI document of the server. Written by `dev/types.mjs`.

export interface Schemas {
  Accepted: {
    run_id: string;
    session_id: string;
    status: string;
  };
  Again: {
    from: string;
  };
  Answered: {
    content: string;
    role: string;
  };
  Answers: {
    answers: unknown;
  };
  Asked: {
    request: Schemas["Request"];
    run: Schemas["Run"];
  };
  ChatAnswer: {
    choices: Schemas["Choice"][];
    created: number;
    id: string;
    model: string;
    object: string;
    usage: Schemas["TokenUsage"];
  };
  ChatError: {
    error: Schemas["ChatErrorBody"];
  };
  ChatErrorBody: {
    code: string | null;
    message: string;
    param: string | null;
    type: string;
  };
  ChatMessage: {
    content?: unknown;
    role: string;
  };
  ChatRequest: {
    messages: Schemas["ChatMessage"][];
    metadata?: unknown;
    model: string;
    n?: number | null;
    stream?: boolean | null;
    stream_options?: null | Schemas["StreamOptions"];
    user?: string | null;
  };
  Choice: {
    finish_reason: string;
    index: number;
    message: Schemas["Answered"];
  };
  Delivery: {
    at: number;
    attempts: number;
    error: string | null;
    event: string;
    id: string;
    name: string;
    next: number | null;
    run_id: string;
    state: Schemas["DeliveryState"];
    workflow_id: string;
  };
  DeliveryList: {
    deliveries: Schemas["Delivery"][];
    total: number;
  };
  DeliveryState: "pending" | "dead";
  EmittedView: {
    id: string;
    received: number;
    run_ids: string[];
  };
  EventsPage: {
    events: unknown[];
    next: number | null;
  };
  Inbox: {
    more: boolean;
    requests: Schemas["Asked"][];
  };
  Key: {
    created_at: number;
    expires_at: number | null;
    id: string;
    name: string;
    role: string;
    user: string | null;
  };
  KeyList: {
    keys: Schemas["Key"][];
  };
  LastFiring: {
    at: number;
    note: string | null;
    run_id: string | null;
  };
  Link: {
    expires_at: number;
    path: string;
  };
  MadeKey: {
    key: Schemas["Key"];
    secret: string;
  };
  Model: {
    created: number;
    id: string;
    object: string;
    owned_by: string;
  };
  ModelList: {
    data: Schemas["Model"][];
    object: string;
  };
  NewEvent: {
    id?: string | null;
    key?: string | null;
    name: string;
    payload?: unknown;
  };
  NewFork: {
    at?: string | null;
    set?: unknown;
  };
  NewKey: {
    expires_in?: number | null;
    name: string;
    role: string;
    user?: string | null;
  };
  NewLink: {
    expires_in?: number | null;
    request: string;
    to: string;
  };
  NewMessage: {
    mode?: string;
    text: string;
    to?: string | null;
  };
  NewRun: {
    additional_data?: unknown;
    input: unknown;
    run_id?: string | null;
    session_id?: string | null;
    user_id?: string | null;
  };
  Origin: "server" | "run";
  Page: {
    next: string | null;
    runs: Schemas["Run"][];
  };
  Problem: {
    code: string | null;
    detail: string;
    help: string | null;
    origin: Schemas["Origin"];
    request_id: string;
    status: number;
    title: string;
    type: string;
  };
  ReceivedView: {
    received: string[];
    run_id: string | null;
    status: string;
  };
  Request: {
    choices: string[] | null;
    deadline: number | null;
    decisions: string[];
    detail: unknown;
    form: unknown;
    id: string;
    kind: string;
    message: string;
    multiple: boolean;
    path: string;
  };
  Run: {
    background: boolean;
    cost: number | null;
    created_at: number;
    digest: string;
    driver: string | null;
    input: string | null;
    origin: unknown;
    run_id: string;
    session_id: string;
    status: string;
    tokens: number | null;
    updated_at: number;
    user_id: string | null;
    wake_at: number | null;
    workflow_id: string;
  };
  Schedule: {
    id: string;
    last: null | Schemas["LastFiring"];
    name: string;
    next: number[];
    paused: boolean;
    timetable: string;
    workflow_id: string;
  };
  ScheduleList: {
    schedules: Schemas["Schedule"][];
  };
  SentView: {
    is_for_next_run: boolean;
    message_id: string;
    run_id: string;
  };
  Session: {
    created_at: number;
    metrics: unknown;
    name: string | null;
    session_id: string;
    state: unknown;
    updated_at: number;
    user_id: string | null;
    workflow_id: string;
  };
  SessionsPage: {
    next: string | null;
    sessions: Schemas["Session"][];
  };
  StreamOptions: {
    include_usage?: boolean | null;
  };
  TokenUsage: {
    completion_tokens: number;
    prompt_tokens: number;
    total_tokens: number;
  };
  TokenView: {
    path: string;
    token: string;
  };
  Webhook: {
    created_at: number;
    id: string;
    name: string;
    workflow_id: string;
  };
  WebhookList: {
    webhooks: Schemas["Webhook"][];
  };
  WholeRun: {
    origin: unknown;
    output: unknown;
    plan: unknown;
    requests: Schemas["Request"][];
    run: Schemas["Run"];
  };
  WholeSession: {
    runs: Schemas["Run"][];
    session: Schemas["Session"];
  };
  Workflow: {
    description: string | null;
    digest: string;
    id: string;
    input_schema: unknown;
    kind: string;
    name: string;
    plan?: unknown;
  };
  Workflows: {
    workflows: Schemas["Workflow"][];
  };
}

export interface Operations {
  "POST /v1/chat/completions": {
    body: Schemas["ChatRequest"];
    answer: Schemas["ChatAnswer"];
  };
  "GET /v1/deliveries": {
    query: {
      state?: Schemas["DeliveryState"];
    };
    answer: Schemas["DeliveryList"];
  };
  "POST /v1/deliveries/{id}/redeliver": {
    path: {
      id: string;
    };
    answer: Schemas["Delivery"];
  };
  "POST /v1/events": {
    body: Schemas["NewEvent"];
    answer: Schemas["EmittedView"];
  };
  "POST /v1/hooks/{id}": {
    path: {
      id: string;
    };
    body: unknown;
    answer: Schemas["ReceivedView"];
  };
  "GET /v1/inbox": {
    answer: Schemas["Inbox"];
  };
  "GET /v1/keys": {
    answer: Schemas["KeyList"];
  };
  "POST /v1/keys": {
    body: Schemas["NewKey"];
    answer: Schemas["MadeKey"];
  };
  "DELETE /v1/keys/{id}": {
    path: {
      id: string;
    };
    answer: Schemas["Key"];
  };
  "GET /v1/links/{id}": {
    path: {
      id: string;
    };
    answer: unknown;
  };
  "POST /v1/links/{id}": {
    path: {
      id: string;
    };
    answer: unknown;
  };
  "GET /v1/metrics": {
    answer: unknown;
  };
  "GET /v1/models": {
    answer: Schemas["ModelList"];
  };
  "GET /v1/models/{id}": {
    path: {
      id: string;
    };
    answer: Schemas["Model"];
  };
  "GET /v1/openapi.json": {
    answer: unknown;
  };
  "GET /v1/runs": {
    query: {
      status?: string;
      workflow?: string;
      session?: string;
      user?: string;
      q?: string;
      limit?: number;
      cursor?: string;
    };
    answer: Schemas["Page"];
  };
  "GET /v1/runs/{id}": {
    path: {
      id: string;
    };
    answer: Schemas["WholeRun"];
  };
  "POST /v1/runs/{id}/answers": {
    path: {
      id: string;
    };
    body: Schemas["Answers"];
    answer: Schemas["Accepted"];
  };
  "POST /v1/runs/{id}/cancel": {
    path: {
      id: string;
    };
    answer: Schemas["Accepted"];
  };
  "GET /v1/runs/{id}/events": {
    path: {
      id: string;
    };
    query: {
      after?: number;
    };
    answer: Schemas["EventsPage"];
  };
  "POST /v1/runs/{id}/fork": {
    path: {
      id: string;
    };
    body: Schemas["NewFork"];
    answer: Schemas["Accepted"];
  };
  "POST /v1/runs/{id}/links": {
    path: {
      id: string;
    };
    body: Schemas["NewLink"];
    answer: Schemas["Link"];
  };
  "GET /v1/runs/{id}/media/{hash}": {
    path: {
      id: string;
      hash: string;
    };
    answer: unknown;
  };
  "POST /v1/runs/{id}/messages": {
    path: {
      id: string;
    };
    body: Schemas["NewMessage"];
    answer: Schemas["SentView"];
  };
  "POST /v1/runs/{id}/rerun": {
    path: {
      id: string;
    };
    body: Schemas["Again"];
    answer: Schemas["Accepted"];
  };
  "POST /v1/runs/{id}/resume": {
    path: {
      id: string;
    };
    answer: Schemas["Accepted"];
  };
  "POST /v1/runs/{id}/retry": {
    path: {
      id: string;
    };
    answer: Schemas["Accepted"];
  };
  "GET /v1/schedules": {
    answer: Schemas["ScheduleList"];
  };
  "POST /v1/schedules/{id}/pause": {
    path: {
      id: string;
    };
    answer: Schemas["Schedule"];
  };
  "POST /v1/schedules/{id}/resume": {
    path: {
      id: string;
    };
    answer: Schemas["Schedule"];
  };
  "POST /v1/schedules/{id}/run": {
    path: {
      id: string;
    };
    answer: Schemas["Accepted"];
  };
  "GET /v1/sessions": {
    query: {
      workflow?: string;
      user?: string;
      limit?: number;
      cursor?: string;
    };
    answer: Schemas["SessionsPage"];
  };
  "GET /v1/sessions/{id}": {
    path: {
      id: string;
    };
    answer: Schemas["WholeSession"];
  };
  "GET /v1/webhooks": {
    answer: Schemas["WebhookList"];
  };
  "POST /v1/webhooks/{id}/token": {
    path: {
      id: string;
    };
    answer: Schemas["TokenView"];
  };
  "GET /v1/workflows": {
    answer: Schemas["Workflows"];
  };
  "GET /v1/workflows/{id}": {
    path: {
      id: string;
    };
    answer: Schemas["Workflow"];
  };
  "POST /v1/workflows/{id}/runs": {
    path: {
      id: string;
    };
    body: Schemas["NewRun"];
    answer: Schemas["Accepted"];
  };
}
