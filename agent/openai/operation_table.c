/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/operation.h"

#include "base/macro.h"

/* The published descriptions' rows, resource by resource. */

#define OAI   ROOT_OPENAI
#define BOTH  (ROOT_OPENAI | ROOT_AZURE_V1)
#define ASK   (ROOT_OPENAI | ROOT_AZURE_V1 | ROOT_BARE)
#define AZURE ROOT_AZURE

#define ROW_UNTIL(last_version, m, p, i, k, r, f)                                                            \
	{                                                                                                    \
		.id = (i), .kind = OPENAI_##k, .method = (m), .path = (p), .roots = (r), .flags = (f),       \
		.until = (last_version)                                                                      \
	}
#define ROW(m, p, i, k, r)	 ROW_UNTIL(NULL, m, p, i, k, r, 0)
#define ROW_OF(f, m, p, i, k, r) ROW_UNTIL(NULL, m, p, i, k, r, f)

/* clang-format off */
static const struct openai_operation assistants[] = {
	ROW("GET",    "assistants",      "listAssistants",   OBJECT, BOTH),
	ROW("POST",   "assistants",      "createAssistant",  OBJECT, BOTH),
	ROW("GET",    "assistants/{id}", "getAssistant",     OBJECT, BOTH),
	ROW("POST",   "assistants/{id}", "modifyAssistant",  OBJECT, BOTH),
	ROW("DELETE", "assistants/{id}", "deleteAssistant",  OBJECT, BOTH),
	ROW("GET",    "assistants",      "List_Assistants",  OBJECT, AZURE),
	ROW("POST",   "assistants",      "Create_Assistant", OBJECT, AZURE),
	ROW("GET",    "assistants/{id}", "Get_Assistant",    OBJECT, AZURE),
	ROW("POST",   "assistants/{id}", "Modify_Assistant", OBJECT, AZURE),
	ROW("DELETE", "assistants/{id}", "Delete_Assistant", OBJECT, AZURE),
};

static const struct openai_operation audio[] = {
	ROW("POST",   "audio/speech",              "createSpeech",        SPEECH,     ASK),
	ROW("POST",   "audio/transcriptions",      "createTranscription", TRANSCRIPT, ASK),
	ROW("POST",   "audio/translations",        "createTranslation",   TRANSCRIPT, ASK),
	ROW("POST",   "audio/voices",              "createVoice",         OBJECT,     BOTH),
	ROW("GET",    "audio/voice_consents",      "listVoiceConsents",   OBJECT,     BOTH),
	ROW("POST",   "audio/voice_consents",      "createVoiceConsent",  OBJECT,     BOTH),
	ROW("GET",    "audio/voice_consents/{id}", "getVoiceConsent",     OBJECT,     BOTH),
	ROW("POST",   "audio/voice_consents/{id}", "updateVoiceConsent",  OBJECT,     BOTH),
	ROW("DELETE", "audio/voice_consents/{id}", "deleteVoiceConsent",  OBJECT,     BOTH),
};

static const struct openai_operation batches[] = {
	ROW("GET",  "batches",             "listBatches",   OBJECT, BOTH),
	ROW("POST", "batches",             "createBatch",   OBJECT, BOTH),
	ROW("GET",  "batches/{id}",        "retrieveBatch", OBJECT, BOTH),
	ROW("POST", "batches/{id}/cancel", "cancelBatch",   OBJECT, BOTH),
	ROW("GET",  "batches",             "Batch_List",    OBJECT, AZURE),
	ROW("POST", "batches",             "Batch_Create",  OBJECT, AZURE),
	ROW("GET",  "batches/{id}",        "Batch_Get",     OBJECT, AZURE),
	ROW("POST", "batches/{id}/cancel", "Batch_Cancel",  OBJECT, AZURE),
};

static const struct openai_operation chat[] = {
	ROW("POST",   "chat/completions",               "createChatCompletion",      CHAT,   ASK),
	ROW("GET",    "chat/completions",               "listChatCompletions",       OBJECT, BOTH),
	ROW("GET",    "chat/completions/{id}",          "getChatCompletion",         OBJECT, BOTH),
	ROW("POST",   "chat/completions/{id}",          "updateChatCompletion",      OBJECT, BOTH),
	ROW("DELETE", "chat/completions/{id}",          "deleteChatCompletion",      OBJECT, BOTH),
	ROW("GET",    "chat/completions/{id}/messages", "getChatCompletionMessages", OBJECT, BOTH),
	ROW("POST",   "chat/completions",               "getChatCompletions",        CHAT,   ROOT_FOUNDRY),
};

static const struct openai_operation chatkit[] = {
	ROW_OF(OP_ANSWERS_KEY, "POST", "chatkit/sessions", "CreateChatSessionMethod", OBJECT, OAI),
	ROW("POST",   "chatkit/sessions/{id}/cancel", "CancelChatSessionMethod", OBJECT, OAI),
	ROW("GET",    "chatkit/threads",              "ListThreadsMethod",       OBJECT, OAI),
	ROW("GET",    "chatkit/threads/{id}",         "GetThreadMethod",         OBJECT, OAI),
	ROW("DELETE", "chatkit/threads/{id}",         "DeleteThreadMethod",      OBJECT, OAI),
	ROW("GET",    "chatkit/threads/{id}/items",   "ListThreadItemsMethod",   OBJECT, OAI),
};

static const struct openai_operation completions[] = {
	ROW("POST", "completions", "createCompletion", COMPLETION, ASK),
};

static const struct openai_operation containers[] = {
	ROW("GET",    "containers",                 "ListContainers",        OBJECT, BOTH),
	ROW("POST",   "containers",                 "CreateContainer",       OBJECT, BOTH),
	ROW("GET",    "containers/{id}",            "RetrieveContainer",     OBJECT, BOTH),
	ROW("DELETE", "containers/{id}",            "DeleteContainer",       OBJECT, BOTH),
	ROW("GET",    "containers/{id}/files",      "ListContainerFiles",    OBJECT, BOTH),
	ROW("POST",   "containers/{id}/files",      "CreateContainerFile",   OBJECT, BOTH),
	ROW("GET",    "containers/{id}/files/{id}", "RetrieveContainerFile", OBJECT, BOTH),
	ROW("DELETE", "containers/{id}/files/{id}", "DeleteContainerFile",   OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_FILE, "GET", "containers/{id}/files/{id}/content", "RetrieveContainerFileContent", OBJECT, BOTH),
};

static const struct openai_operation conversations[] = {
	ROW("POST",   "conversations",                 "createConversation",      OBJECT, BOTH),
	ROW("GET",    "conversations/{id}",            "getConversation",         OBJECT, BOTH),
	ROW("POST",   "conversations/{id}",            "updateConversation",      OBJECT, BOTH),
	ROW("DELETE", "conversations/{id}",            "deleteConversation",      OBJECT, BOTH),
	ROW("GET",    "conversations/{id}/items",      "listConversationItems",   OBJECT, BOTH),
	ROW("POST",   "conversations/{id}/items",      "createConversationItems", OBJECT, BOTH),
	ROW("GET",    "conversations/{id}/items/{id}", "getConversationItem",     OBJECT, BOTH),
	ROW("DELETE", "conversations/{id}/items/{id}", "deleteConversationItem",  OBJECT, BOTH),
};

/* The last three are the SDKs' doing: they put the deployment before these paths. */
static const struct openai_operation deployments[] = {
	ROW("POST", "deployments/{deployment}/chat/completions", "ChatCompletions_Create", CHAT, AZURE),
	ROW("POST", "deployments/{deployment}/extensions/chat/completions", "ExtensionsChatCompletions_Create", CHAT, AZURE),
	ROW("POST", "deployments/{deployment}/completions", "Completions_Create", COMPLETION, AZURE),
	ROW_UNTIL("2024-10-21", "POST", "deployments/{deployment}/embeddings", "embeddings_create", EMBEDDING, AZURE, 0),
	ROW("POST", "deployments/{deployment}/embeddings",           "Embeddings_Create",      EMBEDDING,  AZURE),
	ROW("POST", "deployments/{deployment}/audio/speech",         "Speech_Create",          SPEECH,     AZURE),
	ROW("POST", "deployments/{deployment}/audio/transcriptions", "Transcriptions_Create",  TRANSCRIPT, AZURE),
	ROW("POST", "deployments/{deployment}/audio/translations",   "Translations_Create",    TRANSCRIPT, AZURE),
	ROW("POST", "deployments/{deployment}/images/generations",   "ImageGenerations_Create", IMAGE,     AZURE),
	ROW("POST", "deployments/{deployment}/images/edits",         "ImageGenerations_Edit",  IMAGE,      AZURE),
	ROW("GET",    "deployments",              "Deployments_List",   OBJECT, AZURE),
	ROW("POST",   "deployments",              "Deployments_Create", OBJECT, AZURE),
	ROW("GET",    "deployments/{deployment}", "Deployments_Get",    OBJECT, AZURE),
	ROW("PATCH",  "deployments/{deployment}", "Deployments_Update", OBJECT, AZURE),
	ROW("DELETE", "deployments/{deployment}", "Deployments_Delete", OBJECT, AZURE),
	ROW("POST", "deployments/{deployment}/responses", "Create_Response", RESPONSE, AZURE),
	ROW("POST", "deployments/{deployment}/batches",   "Batch_Create",    OBJECT,   AZURE),
	ROW("GET",  "deployments/{deployment}/realtime",  "Realtime_Connect", REALTIME, AZURE),
};

static const struct openai_operation embeddings[] = {
	ROW("POST", "embeddings", "createEmbedding", EMBEDDING, ASK),
	ROW("POST", "embeddings", "getEmbeddings",   EMBEDDING, ROOT_FOUNDRY),
};

/* What deployments were called before; some servers still have them. */
static const struct openai_operation engines[] = {
	ROW("POST", "engines/{model}/chat/completions", "createChatCompletion", CHAT,       OAI | ROOT_BARE),
	ROW("POST", "engines/{model}/completions",      "createCompletion",     COMPLETION, OAI | ROOT_BARE),
	ROW("POST", "engines/{model}/embeddings",       "createEmbedding",      EMBEDDING,  OAI | ROOT_BARE),
	ROW("GET",  "engines",                          "listEngines",          OBJECT,     OAI),
	ROW("GET",  "engines/{model}",                  "retrieveEngine",       OBJECT,     OAI),
};

static const struct openai_operation evals[] = {
	ROW("GET",    "evals",                                  "listEvals",             OBJECT, BOTH),
	ROW("POST",   "evals",                                  "createEval",            OBJECT, BOTH),
	ROW("GET",    "evals/{id}",                             "getEval",               OBJECT, BOTH),
	ROW("POST",   "evals/{id}",                             "updateEval",            OBJECT, BOTH),
	ROW("DELETE", "evals/{id}",                             "deleteEval",            OBJECT, BOTH),
	ROW("GET",    "evals/{id}/runs",                        "getEvalRuns",           OBJECT, BOTH),
	ROW("POST",   "evals/{id}/runs",                        "createEvalRun",         OBJECT, BOTH),
	ROW("GET",    "evals/{id}/runs/{id}",                   "getEvalRun",            OBJECT, BOTH),
	ROW("POST",   "evals/{id}/runs/{id}",                   "cancelEvalRun",         OBJECT, BOTH),
	ROW("POST",   "evals/{id}/runs/{id}/cancel",            "cancelEvalRun",         OBJECT, BOTH),
	ROW("DELETE", "evals/{id}/runs/{id}",                   "deleteEvalRun",         OBJECT, BOTH),
	ROW("GET",    "evals/{id}/runs/{id}/output_items",      "getEvalRunOutputItems", OBJECT, BOTH),
	ROW("GET",    "evals/{id}/runs/{id}/output_items/{id}", "getEvalRunOutputItem",  OBJECT, BOTH),
};

static const struct openai_operation files[] = {
	ROW("GET",    "files",              "listFiles",        OBJECT, BOTH),
	ROW("POST",   "files",              "createFile",       OBJECT, BOTH),
	ROW("GET",    "files/{id}",         "retrieveFile",     OBJECT, BOTH),
	ROW("DELETE", "files/{id}",         "deleteFile",       OBJECT, BOTH),
	ROW("GET",    "files",              "Files_List",       OBJECT, AZURE),
	ROW("POST",   "files",              "Files_Upload",     OBJECT, AZURE),
	ROW("POST",   "files/import",       "Files_Import",     OBJECT, AZURE),
	ROW("GET",    "files/{id}",         "Files_Get",        OBJECT, AZURE),
	ROW("DELETE", "files/{id}",         "Files_Delete",     OBJECT, AZURE),
	ROW_OF(OP_ANSWERS_FILE, "GET", "files/{id}/content", "downloadFile",     OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_FILE, "GET", "files/{id}/content", "Files_GetContent", OBJECT, AZURE),
};

static const struct openai_operation fine_tuning[] = {
	ROW("GET",    "fine_tuning/jobs",                  "listPaginatedFineTuningJobs",  OBJECT, BOTH),
	ROW("POST",   "fine_tuning/jobs",                  "createFineTuningJob",          OBJECT, BOTH),
	ROW("GET",    "fine_tuning/jobs/{id}",             "retrieveFineTuningJob",        OBJECT, BOTH),
	ROW("POST",   "fine_tuning/jobs/{id}/cancel",      "cancelFineTuningJob",          OBJECT, BOTH),
	ROW("POST",   "fine_tuning/jobs/{id}/pause",       "pauseFineTuningJob",           OBJECT, BOTH),
	ROW("POST",   "fine_tuning/jobs/{id}/resume",      "resumeFineTuningJob",          OBJECT, BOTH),
	ROW("GET",    "fine_tuning/jobs/{id}/events",      "listFineTuningEvents",         OBJECT, BOTH),
	ROW("GET",    "fine_tuning/jobs/{id}/checkpoints", "listFineTuningJobCheckpoints", OBJECT, BOTH),
	ROW("POST",   "fine_tuning/jobs/{id}/checkpoints/{id}/copy", "FineTuning_CopyCheckpoint", OBJECT, AZURE | ROOT_AZURE_V1),
	ROW("GET",    "fine_tuning/jobs/{id}/checkpoints/{id}/copy", "FineTuning_GetCheckpoint",  OBJECT, AZURE | ROOT_AZURE_V1),
	ROW("GET",    "fine_tuning/checkpoints/{id}/permissions", "listFineTuningCheckpointPermissions", OBJECT, BOTH),
	ROW("POST",   "fine_tuning/checkpoints/{id}/permissions", "createFineTuningCheckpointPermission", OBJECT, BOTH),
	ROW("DELETE", "fine_tuning/checkpoints/{id}/permissions/{id}", "deleteFineTuningCheckpointPermission", OBJECT, BOTH),
	ROW("POST",   "fine_tuning/alpha/graders/run",      "runGrader",      OBJECT, BOTH),
	ROW("POST",   "fine_tuning/alpha/graders/validate", "validateGrader", OBJECT, BOTH),
	ROW("GET",    "fine_tuning/jobs",                  "FineTuning_List",           OBJECT, AZURE),
	ROW("POST",   "fine_tuning/jobs",                  "FineTuning_Create",         OBJECT, AZURE),
	ROW("GET",    "fine_tuning/jobs/{id}",             "FineTuning_Get",            OBJECT, AZURE),
	ROW("DELETE", "fine_tuning/jobs/{id}",             "FineTuning_Delete",         OBJECT, AZURE),
	ROW("POST",   "fine_tuning/jobs/{id}/cancel",      "FineTuning_Cancel",         OBJECT, AZURE),
	ROW("POST",   "fine_tuning/jobs/{id}/pause",       "FineTuning_Pause",          OBJECT, AZURE),
	ROW("POST",   "fine_tuning/jobs/{id}/resume",      "FineTuning_Resume",         OBJECT, AZURE),
	ROW("GET",    "fine_tuning/jobs/{id}/events",      "FineTuning_GetEvents",      OBJECT, AZURE),
	ROW("GET",    "fine_tuning/jobs/{id}/checkpoints", "FineTuning_GetCheckpoints", OBJECT, AZURE),
};

static const struct openai_operation images[] = {
	ROW("POST", "images/generations", "createImage",          IMAGE,     ASK),
	ROW("POST", "images/edits",       "createImageEdit",      IMAGE,     ASK),
	ROW("POST", "images/variations",  "createImageVariation", IMAGE,     ASK),
	ROW("POST", "images/embeddings",  "getImageEmbeddings",   EMBEDDING, ROOT_FOUNDRY),
};

static const struct openai_operation info[] = {
	ROW("GET", "info", "getModelInfo", OBJECT, ROOT_FOUNDRY),
};

static const struct openai_operation models[] = {
	ROW("GET",    "models",         "listModels",    OBJECT, ASK),
	ROW("GET",    "models/{model}", "retrieveModel", OBJECT, BOTH),
	ROW("DELETE", "models/{model}", "deleteModel",   OBJECT, BOTH),
	ROW("GET",    "models",         "Models_List",   OBJECT, AZURE),
	ROW("GET",    "models/{model}", "Models_Get",    OBJECT, AZURE),
};

static const struct openai_operation moderations[] = {
	ROW("POST", "moderations", "createModeration", OBJECT, ASK),
};

/* Of the administration only what gives out keys. */
static const struct openai_operation organization[] = {
	ROW_OF(OP_ANSWERS_KEY, "POST", "organization/admin_api_keys", "admin-api-keys-create", OBJECT, OAI),
	ROW_OF(OP_ANSWERS_KEY, "POST", "organization/projects/{id}/service_accounts", "create-project-service-account", OBJECT, OAI),
};

static const struct openai_operation realtime[] = {
	ROW("GET",  "realtime",                    "connectRealtime",            REALTIME, BOTH),
	ROW("GET",  "realtime/translations",       "connectRealtimeTranslation", REALTIME, BOTH),
	ROW("POST", "realtime/calls",              "create-realtime-call",       OBJECT,   BOTH),
	ROW("POST", "realtime/calls/{id}/accept",  "accept-realtime-call",       OBJECT,   BOTH),
	ROW("POST", "realtime/calls/{id}/hangup",  "hangup-realtime-call",       OBJECT,   BOTH),
	ROW("POST", "realtime/calls/{id}/refer",   "refer-realtime-call",        OBJECT,   BOTH),
	ROW("POST", "realtime/calls/{id}/reject",  "reject-realtime-call",       OBJECT,   BOTH),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/client_secrets", "create-realtime-client-secret", OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/sessions", "create-realtime-session", OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/transcription_sessions", "create-realtime-transcription-session", OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/translations/client_secrets", "create-realtime-translation-client-secret", OBJECT, BOTH),
	ROW("GET",  "realtime", "Realtime_Connect", REALTIME, AZURE),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/sessions", "createRealtimeSession", OBJECT, AZURE),
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtime/transcription_sessions", "createTranscriptionRealtimeSession", OBJECT, AZURE),
};

static const struct openai_operation realtimeapi[] = {
	ROW_OF(OP_ANSWERS_KEY, "POST", "realtimeapi/sessions", "createRealtimeSession", OBJECT, AZURE),
};

static const struct openai_operation responses[] = {
	ROW("POST",   "responses",                  "createResponse",      RESPONSE, ASK),
	ROW_OF(OP_UPGRADE, "GET", "responses",      "connectResponses",    REALTIME, ASK),
	ROW("POST",   "responses/compact",          "Compactconversation", RESPONSE, BOTH),
	ROW("POST",   "responses/input_tokens",     "Getinputtokencounts", OBJECT,   BOTH),
	ROW("GET",    "responses/{id}",             "getResponse",         RESPONSE, BOTH),
	ROW("DELETE", "responses/{id}",             "deleteResponse",      OBJECT,   BOTH),
	ROW("POST",   "responses/{id}/cancel",      "cancelResponse",      RESPONSE, BOTH),
	ROW("GET",    "responses/{id}/input_items", "listInputItems",      OBJECT,   BOTH),
	ROW("POST",   "responses",                  "Create_Response",     RESPONSE, AZURE),
	ROW_OF(OP_UPGRADE, "GET", "responses",      "Responses_Connect",   REALTIME, AZURE),
	ROW("GET",    "responses/{id}",             "Get_Response",        RESPONSE, AZURE),
	ROW("DELETE", "responses/{id}",             "Delete_Response",     OBJECT,   AZURE),
	ROW("POST",   "responses/{id}/cancel",      "Cancel_Response",     RESPONSE, AZURE),
	ROW("GET",    "responses/{id}/input_items", "Get_Input_Items",     OBJECT,   AZURE),
};

static const struct openai_operation skills[] = {
	ROW("GET",    "skills",                    "ListSkills",                OBJECT, OAI),
	ROW("POST",   "skills",                    "CreateSkill",               OBJECT, OAI),
	ROW("GET",    "skills/{id}",               "GetSkill",                  OBJECT, OAI),
	ROW("POST",   "skills/{id}",               "UpdateSkillDefaultVersion", OBJECT, OAI),
	ROW("DELETE", "skills/{id}",               "DeleteSkill",               OBJECT, OAI),
	ROW("GET",    "skills/{id}/versions",      "ListSkillVersions",         OBJECT, OAI),
	ROW("POST",   "skills/{id}/versions",      "CreateSkillVersion",        OBJECT, OAI),
	ROW("GET",    "skills/{id}/versions/{id}", "GetSkillVersion",           OBJECT, OAI),
	ROW("DELETE", "skills/{id}/versions/{id}", "DeleteSkillVersion",        OBJECT, OAI),
	ROW_OF(OP_ANSWERS_FILE, "GET", "skills/{id}/content", "GetSkillContent", OBJECT, OAI),
	ROW_OF(OP_ANSWERS_FILE, "GET", "skills/{id}/versions/{id}/content", "GetSkillVersionContent", OBJECT, OAI),
};

static const struct openai_operation threads[] = {
	ROW("POST",   "threads",                                    "createThread",          OBJECT, BOTH),
	ROW("POST",   "threads/runs",                               "createThreadAndRun",    RUN,    BOTH),
	ROW("GET",    "threads/{id}",                               "getThread",             OBJECT, BOTH),
	ROW("POST",   "threads/{id}",                               "modifyThread",          OBJECT, BOTH),
	ROW("DELETE", "threads/{id}",                               "deleteThread",          OBJECT, BOTH),
	ROW("GET",    "threads/{id}/messages",                      "listMessages",          OBJECT, BOTH),
	ROW("POST",   "threads/{id}/messages",                      "createMessage",         OBJECT, BOTH),
	ROW("GET",    "threads/{id}/messages/{id}",                 "getMessage",            OBJECT, BOTH),
	ROW("POST",   "threads/{id}/messages/{id}",                 "modifyMessage",         OBJECT, BOTH),
	ROW("DELETE", "threads/{id}/messages/{id}",                 "deleteMessage",         OBJECT, BOTH),
	ROW("GET",    "threads/{id}/runs",                          "listRuns",              OBJECT, BOTH),
	ROW("POST",   "threads/{id}/runs",                          "createRun",             RUN,    BOTH),
	ROW("GET",    "threads/{id}/runs/{id}",                     "getRun",                RUN,    BOTH),
	ROW("POST",   "threads/{id}/runs/{id}",                     "modifyRun",             RUN,    BOTH),
	ROW("POST",   "threads/{id}/runs/{id}/cancel",              "cancelRun",             RUN,    BOTH),
	ROW("POST",   "threads/{id}/runs/{id}/submit_tool_outputs", "submitToolOuputsToRun", RUN,    BOTH),
	ROW("GET",    "threads/{id}/runs/{id}/steps",               "listRunSteps",          OBJECT, BOTH),
	ROW("GET",    "threads/{id}/runs/{id}/steps/{id}",          "getRunStep",            OBJECT, BOTH),
	ROW("POST",   "threads",                                    "Create_Thread",         OBJECT, AZURE),
	ROW("POST",   "threads/runs",                               "Create_Thread_And_Run", RUN,    AZURE),
	ROW("GET",    "threads/{id}",                               "Get_Thread",            OBJECT, AZURE),
	ROW("POST",   "threads/{id}",                               "Modify_Thread",         OBJECT, AZURE),
	ROW("DELETE", "threads/{id}",                               "Delete_Thread",         OBJECT, AZURE),
	ROW("GET",    "threads/{id}/messages",                      "List_Messages",         OBJECT, AZURE),
	ROW("POST",   "threads/{id}/messages",                      "Create_Message",        OBJECT, AZURE),
	ROW("GET",    "threads/{id}/messages/{id}",                 "Get_Message",           OBJECT, AZURE),
	ROW("POST",   "threads/{id}/messages/{id}",                 "Modify_Message",        OBJECT, AZURE),
	ROW("DELETE", "threads/{id}/messages/{id}",                 "Delete_Message",        OBJECT, AZURE),
	ROW("GET",    "threads/{id}/runs",                          "List_Runs",             OBJECT, AZURE),
	ROW("POST",   "threads/{id}/runs",                          "Create_Run",            RUN,    AZURE),
	ROW("GET",    "threads/{id}/runs/{id}",                     "Get_Run",               RUN,    AZURE),
	ROW("POST",   "threads/{id}/runs/{id}",                     "Modify_Run",            RUN,    AZURE),
	ROW("POST",   "threads/{id}/runs/{id}/cancel",              "Cancel_Run",            RUN,    AZURE),
	ROW("POST",   "threads/{id}/runs/{id}/submit_tool_outputs", "Submit_Tool_Outputs_To_Run", RUN, AZURE),
	ROW("GET",    "threads/{id}/runs/{id}/steps",               "List_Run_Steps",        OBJECT, AZURE),
	ROW("GET",    "threads/{id}/runs/{id}/steps/{id}",          "Get_Run_Step",          OBJECT, AZURE),
};

static const struct openai_operation uploads[] = {
	ROW("POST", "uploads",               "createUpload",   OBJECT, BOTH),
	ROW("POST", "uploads/{id}/parts",    "addUploadPart",  OBJECT, BOTH),
	ROW("POST", "uploads/{id}/complete", "completeUpload", OBJECT, BOTH),
	ROW("POST", "uploads/{id}/cancel",   "cancelUpload",   OBJECT, BOTH),
};

static const struct openai_operation vector_stores[] = {
	ROW("GET",    "vector_stores",                               "listVectorStores",               OBJECT, BOTH),
	ROW("POST",   "vector_stores",                               "createVectorStore",              OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}",                          "getVectorStore",                 OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}",                          "modifyVectorStore",              OBJECT, BOTH),
	ROW("DELETE", "vector_stores/{id}",                          "deleteVectorStore",              OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}/search",                   "searchVectorStore",              OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}/files",                    "listVectorStoreFiles",           OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}/files",                    "createVectorStoreFile",          OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}/files/{id}",               "getVectorStoreFile",             OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}/files/{id}",               "updateVectorStoreFileAttributes", OBJECT, BOTH),
	ROW("DELETE", "vector_stores/{id}/files/{id}",               "deleteVectorStoreFile",          OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}/files/{id}/content",       "retrieveVectorStoreFileContent", OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}/file_batches",             "createVectorStoreFileBatch",     OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}/file_batches/{id}",        "getVectorStoreFileBatch",        OBJECT, BOTH),
	ROW("POST",   "vector_stores/{id}/file_batches/{id}/cancel", "cancelVectorStoreFileBatch",     OBJECT, BOTH),
	ROW("GET",    "vector_stores/{id}/file_batches/{id}/files",  "listFilesInVectorStoreBatch",    OBJECT, BOTH),
	ROW("GET",    "vector_stores",                               "List_Vector_Stores",             OBJECT, AZURE),
	ROW("POST",   "vector_stores",                               "Create_Vector_Store",            OBJECT, AZURE),
	ROW("GET",    "vector_stores/{id}",                          "Get_Vector_Store",               OBJECT, AZURE),
	ROW("POST",   "vector_stores/{id}",                          "Modify_Vector_Store",            OBJECT, AZURE),
	ROW("DELETE", "vector_stores/{id}",                          "Delete_Vector_Store",            OBJECT, AZURE),
	ROW("GET",    "vector_stores/{id}/files",                    "List_Vector_Store_Files",        OBJECT, AZURE),
	ROW("POST",   "vector_stores/{id}/files",                    "Create_Vector_Store_File",       OBJECT, AZURE),
	ROW("GET",    "vector_stores/{id}/files/{id}",               "Get_Vector_Store_File",          OBJECT, AZURE),
	ROW("DELETE", "vector_stores/{id}/files/{id}",               "Delete_Vector_Store_File",       OBJECT, AZURE),
	ROW("POST",   "vector_stores/{id}/file_batches",             "Create_Vector_Store_File_Batch", OBJECT, AZURE),
	ROW("GET",    "vector_stores/{id}/file_batches/{id}",        "Get_Vector_Store_File_Batch",    OBJECT, AZURE),
	ROW("POST",   "vector_stores/{id}/file_batches/{id}/cancel", "Cancel_Vector_Store_File_Batch", OBJECT, AZURE),
	ROW("GET",    "vector_stores/{id}/file_batches/{id}/files",  "List_Vector_Store_File_Batch_Files", OBJECT, AZURE),
};

static const struct openai_operation videos[] = {
	ROW("GET",    "videos",                 "ListVideos",           OBJECT, BOTH),
	ROW("POST",   "videos",                 "createVideo",          OBJECT, BOTH),
	ROW("POST",   "videos/characters",      "CreateVideoCharacter", OBJECT, BOTH),
	ROW("GET",    "videos/characters/{id}", "GetVideoCharacter",    OBJECT, BOTH),
	ROW("POST",   "videos/edits",           "CreateVideoEdit",      OBJECT, BOTH),
	ROW("POST",   "videos/extensions",      "CreateVideoExtend",    OBJECT, BOTH),
	ROW("GET",    "videos/{id}",            "GetVideo",             OBJECT, BOTH),
	ROW("DELETE", "videos/{id}",            "DeleteVideo",          OBJECT, BOTH),
	ROW("POST",   "videos/{id}/remix",      "CreateVideoRemix",     OBJECT, BOTH),
	ROW_OF(OP_ANSWERS_FILE, "GET", "videos/{id}/content", "RetrieveVideoContent", OBJECT, BOTH),
};
/* clang-format on */

#define RESOURCE(rows)                                                                                       \
	{                                                                                                    \
#rows, rows, ARRAY_SIZE(rows)                                                                \
	}

const struct openai_resource *openai_resources(size_t *ret_n)
{
	static const struct openai_resource all[] = {
		RESOURCE(assistants),	RESOURCE(audio),	 RESOURCE(batches),
		RESOURCE(chat),		RESOURCE(chatkit),	 RESOURCE(completions),
		RESOURCE(containers),	RESOURCE(conversations), RESOURCE(deployments),
		RESOURCE(embeddings),	RESOURCE(engines),	 RESOURCE(evals),
		RESOURCE(files),	RESOURCE(fine_tuning),	 RESOURCE(images),
		RESOURCE(info),		RESOURCE(models),	 RESOURCE(moderations),
		RESOURCE(organization), RESOURCE(realtime),	 RESOURCE(realtimeapi),
		RESOURCE(responses),	RESOURCE(skills),	 RESOURCE(threads),
		RESOURCE(uploads),	RESOURCE(vector_stores), RESOURCE(videos),
	};

	*ret_n = ARRAY_SIZE(all);
	return all;
}
