# SPDX-License-Identifier: Apache-2.0
"""Every operation that the endpoint knows: its path, its ids in the published API descriptions (OpenAI's, which
Azure's v1 shares, and Azure OpenAI's older one), and who answers it (operation_answers.py, operation_objects.py)."""

import email.message
import re

import answers

# method, path, id, id on Azure's older paths ("-": not there), kind
TABLE = """
POST   /chat/completions                    createChatCompletion         -                          chat
GET    /chat/completions                    listChatCompletions          -                          object
GET    /chat/completions/{id}               getChatCompletion            -                          object
POST   /chat/completions/{id}               updateChatCompletion         -                          object
DELETE /chat/completions/{id}               deleteChatCompletion         -                          object
GET    /chat/completions/{id}/messages      getChatCompletionMessages    -                          object
POST   /completions                         createCompletion             -                          completion
POST   /embeddings                          createEmbedding              -                          embedding
POST   /responses                           createResponse               Create_Response            response
POST   /responses/compact                   Compactconversation          -                          response
POST   /responses/input_tokens              Getinputtokencounts          -                          object
GET    /responses/{id}                      getResponse                  Get_Response               response
DELETE /responses/{id}                      deleteResponse               Delete_Response            object
POST   /responses/{id}/cancel               cancelResponse               Cancel_Response            response
GET    /responses/{id}/input_items          listInputItems               Get_Input_Items            object
POST   /conversations                       createConversation           -                          object
GET    /conversations/{id}                  getConversation              -                          object
POST   /conversations/{id}                  updateConversation           -                          object
DELETE /conversations/{id}                  deleteConversation           -                          object
GET    /conversations/{id}/items            listConversationItems        -                          object
POST   /conversations/{id}/items            createConversationItems      -                          object
GET    /conversations/{id}/items/{id}       getConversationItem          -                          object
DELETE /conversations/{id}/items/{id}       deleteConversationItem       -                          object
POST   /images/generations                  createImage                  -                          image
POST   /images/edits                        createImageEdit              -                          image
POST   /images/variations                   createImageVariation         -                          image
POST   /audio/speech                        createSpeech                 -                          speech
POST   /audio/transcriptions                createTranscription          -                          transcript
POST   /audio/translations                  createTranslation            -                          transcript
POST   /moderations                         createModeration             -                          object
GET    /files                               listFiles                    Files_List                 object
POST   /files                               createFile                   Files_Upload               object
GET    /files/{id}                          retrieveFile                 Files_Get                  object
DELETE /files/{id}                          deleteFile                   Files_Delete               object
GET    /files/{id}/content                  downloadFile                 Files_GetContent           file
POST   /uploads                             createUpload                 -                          object
POST   /uploads/{id}/parts                  addUploadPart                -                          object
POST   /uploads/{id}/complete               completeUpload               -                          object
POST   /uploads/{id}/cancel                 cancelUpload                 -                          object
GET    /batches                             listBatches                  Batch_List                 object
POST   /batches                             createBatch                  Batch_Create               object
GET    /batches/{id}                        retrieveBatch                Batch_Get                  object
POST   /batches/{id}/cancel                 cancelBatch                  Batch_Cancel               object
GET    /fine_tuning/jobs                    listPaginatedFineTuningJobs  FineTuning_List            object
POST   /fine_tuning/jobs                    createFineTuningJob          FineTuning_Create          object
GET    /fine_tuning/jobs/{id}               retrieveFineTuningJob        FineTuning_Get             object
POST   /fine_tuning/jobs/{id}/cancel        cancelFineTuningJob          FineTuning_Cancel          object
POST   /fine_tuning/jobs/{id}/pause         pauseFineTuningJob           FineTuning_Pause           object
POST   /fine_tuning/jobs/{id}/resume        resumeFineTuningJob          FineTuning_Resume          object
GET    /fine_tuning/jobs/{id}/events        listFineTuningEvents         FineTuning_GetEvents       object
GET    /fine_tuning/jobs/{id}/checkpoints   listFineTuningJobCheckpoints FineTuning_GetCheckpoints  object
GET    /models                              listModels                   Models_List                object
GET    /models/{id}                         retrieveModel                Models_Get                 object
DELETE /models/{id}                         deleteModel                  -                          object
GET    /vector_stores                       listVectorStores             List_Vector_Stores         object
POST   /vector_stores                       createVectorStore            Create_Vector_Store        object
GET    /vector_stores/{id}                  getVectorStore               Get_Vector_Store           object
POST   /vector_stores/{id}                  modifyVectorStore            Modify_Vector_Store        object
DELETE /vector_stores/{id}                  deleteVectorStore            Delete_Vector_Store        object
POST   /vector_stores/{id}/search           searchVectorStore            -                          object
GET    /vector_stores/{id}/files            listVectorStoreFiles         List_Vector_Store_Files    object
POST   /vector_stores/{id}/files            createVectorStoreFile        Create_Vector_Store_File   object
GET    /vector_stores/{id}/files/{id}       getVectorStoreFile           Get_Vector_Store_File      object
POST   /vector_stores/{id}/files/{id}       updateVectorStoreFileAttributes -                       object
DELETE /vector_stores/{id}/files/{id}       deleteVectorStoreFile        Delete_Vector_Store_File   object
GET    /vector_stores/{id}/files/{id}/content retrieveVectorStoreFileContent -                      object
POST   /vector_stores/{id}/file_batches     createVectorStoreFileBatch   Create_Vector_Store_File_Batch object
GET    /vector_stores/{id}/file_batches/{id} getVectorStoreFileBatch     Get_Vector_Store_File_Batch object
POST   /vector_stores/{id}/file_batches/{id}/cancel cancelVectorStoreFileBatch Cancel_Vector_Store_File_Batch object
GET    /vector_stores/{id}/file_batches/{id}/files listFilesInVectorStoreBatch List_Vector_Store_File_Batch_Files object
GET    /assistants                          listAssistants               List_Assistants            object
POST   /assistants                          createAssistant              Create_Assistant           object
GET    /assistants/{id}                     getAssistant                 Get_Assistant              object
POST   /assistants/{id}                     modifyAssistant              Modify_Assistant           object
DELETE /assistants/{id}                     deleteAssistant              Delete_Assistant           object
POST   /threads                             createThread                 Create_Thread              object
POST   /threads/runs                        createThreadAndRun           Create_Thread_And_Run      run
GET    /threads/{id}                        getThread                    Get_Thread                 object
POST   /threads/{id}                        modifyThread                 Modify_Thread              object
DELETE /threads/{id}                        deleteThread                 Delete_Thread              object
GET    /threads/{id}/messages               listMessages                 List_Messages              object
POST   /threads/{id}/messages               createMessage                Create_Message             object
GET    /threads/{id}/messages/{id}          getMessage                   Get_Message                object
POST   /threads/{id}/messages/{id}          modifyMessage                Modify_Message             object
DELETE /threads/{id}/messages/{id}          deleteMessage                Delete_Message             object
GET    /threads/{id}/runs                   listRuns                     List_Runs                  object
POST   /threads/{id}/runs                   createRun                    Create_Run                 run
GET    /threads/{id}/runs/{id}              getRun                       Get_Run                    run
POST   /threads/{id}/runs/{id}              modifyRun                    Modify_Run                 run
POST   /threads/{id}/runs/{id}/cancel       cancelRun                    Cancel_Run                 run
POST   /threads/{id}/runs/{id}/submit_tool_outputs submitToolOuputsToRun Submit_Tool_Outputs_To_Run run
GET    /threads/{id}/runs/{id}/steps        listRunSteps                 List_Run_Steps             object
GET    /threads/{id}/runs/{id}/steps/{id}   getRunStep                   Get_Run_Step               object
GET    /realtime                            connectRealtime              Realtime_Connect           realtime
POST   /realtime/client_secrets             create-realtime-client-secret -                         key
POST   /realtime/sessions                   create-realtime-session      createRealtimeSession      key
POST   /realtime/transcription_sessions     create-realtime-transcription-session createTranscriptionRealtimeSession key
GET    /videos                              ListVideos                   -                          object
POST   /videos                              createVideo                  -                          object
GET    /videos/{id}                         GetVideo                     -                          object
DELETE /videos/{id}                         DeleteVideo                  -                          object
POST   /videos/{id}/remix                   CreateVideoRemix             -                          object
GET    /videos/{id}/content                 RetrieveVideoContent         -                          file
GET    /containers                          ListContainers               -                          object
POST   /containers                          CreateContainer              -                          object
GET    /containers/{id}                     RetrieveContainer            -                          object
DELETE /containers/{id}                     DeleteContainer              -                          object
GET    /containers/{id}/files               ListContainerFiles           -                          object
POST   /containers/{id}/files               CreateContainerFile          -                          object
GET    /containers/{id}/files/{id}          RetrieveContainerFile        -                          object
DELETE /containers/{id}/files/{id}          DeleteContainerFile          -                          object
GET    /containers/{id}/files/{id}/content  RetrieveContainerFileContent -                          file
GET    /evals                               listEvals                    -                          object
POST   /evals                               createEval                   -                          object
GET    /evals/{id}                          getEval                      -                          object
POST   /evals/{id}                          updateEval                   -                          object
DELETE /evals/{id}                          deleteEval                   -                          object
GET    /evals/{id}/runs                     getEvalRuns                  -                          object
POST   /evals/{id}/runs                     createEvalRun                -                          object
GET    /evals/{id}/runs/{id}                getEvalRun                   -                          object
POST   /evals/{id}/runs/{id}                cancelEvalRun                -                          object
POST   /evals/{id}/runs/{id}/cancel         cancelEvalRun                -                          object
DELETE /evals/{id}/runs/{id}                deleteEvalRun                -                          object
GET    /evals/{id}/runs/{id}/output_items   getEvalRunOutputItems        -                          object
GET    /evals/{id}/runs/{id}/output_items/{id} getEvalRunOutputItem      -                          object
"""

# Below /openai/deployments/{deployment}, on Azure's older paths only. The SDKs put the deployment before /batches, too.
DEPLOYMENTS = """
POST   /chat/completions                    ChatCompletions_Create       chat
POST   /completions                         Completions_Create           completion
POST   /embeddings                          Embeddings_Create            embedding
POST   /images/generations                  ImageGenerations_Create      image
POST   /images/edits                        ImageGenerations_Edit        image
POST   /audio/speech                        Speech_Create                speech
POST   /audio/transcriptions                Transcriptions_Create        transcript
POST   /audio/translations                  Translations_Create          transcript
POST   /responses                           Create_Response              response
POST   /batches                             Batch_Create                 object
"""
LAST_OLD_EMBEDDINGS = "2024-10-21"


class Row:
    def __init__(self, method, path, name, azure, kind):
        self.method, self.path, self.name, self.azure, self.kind = method, path, name, azure, kind
        self.pattern = re.compile("^" + re.sub(r"\{id\}", "([^/]+)", path) + "$")

    def ids(self, classic):
        return self.azure if classic else self.name


def rows():
    plain = [Row(*line.split()) for line in TABLE.strip().splitlines()]
    below = []
    for line in DEPLOYMENTS.strip().splitlines():
        method, path, azure, kind = line.split()
        below.append(Row(method, path, None, azure, kind))
    return plain, below


ROWS, BELOW = rows()


def find(method, path, query):
    """(row or None, deployment or None, ids in the path)"""
    deployment = None
    if path.startswith("/openai/deployments/"):
        deployment, _, rest = path.removeprefix("/openai/deployments/").partition("/")
        candidates, rest, classic = BELOW, "/" + rest, True
    else:
        for root in ("/openai/v1", "/v1", "/openai"):
            if path.startswith(root + "/"):
                rest, classic = path.removeprefix(root), root == "/openai"
                break
        else:
            return None, None, []
        candidates = ROWS
    asked = "GET" if method == "HEAD" else method
    for row in candidates:
        match = row.pattern.match(rest)
        if match and row.method == asked and row.ids(classic) != "-":
            if row.azure == "Embeddings_Create" and query.get("api-version", "9") <= LAST_OLD_EMBEDDINGS:
                row = Row(row.method, row.path, None, "embeddings_create", row.kind)
            return row, deployment, list(match.groups())
    return None, deployment, []


class Answer:
    """value: JSON; or data: bytes of the type; or events: [(name or None, value)] of a stream, ended with [DONE] if
    `done` (a string: under that event name). facts go to the record."""

    def __init__(self, value=None, data=None, events=None, **more):
        self.status = more.get("status", 200)
        self.value, self.data, self.events = value, data, events
        self.type = more.get("type", "application/json")
        self.done = more.get("done", False)
        self.headers = more.get("headers", {})
        self.etag = more.get("etag")
        self.facts = more.get("facts", {})
        self.error_event = more.get("error_event")

    def stream_error(self):
        return self.error_event or (None, answers.STREAM_ERROR)

    def has_content(self, name, value):
        if name is None and "choices" in value:
            delta = (value["choices"] or [{}])[0]
            text = (delta.get("delta") or {}).get("content") or delta.get("text")
            return bool(text)
        return "delta" in value or "delta" in (name or "")


def answer(request):
    """The Answer, or None where there is none."""
    import operation_answers
    import operation_objects

    maker = operation_answers.MAKERS.get(request.row.kind, operation_objects.answer)
    return maker(request)


def parts(body, content_type):
    """The parts of a multipart body: [{name, filename, type, data}], or None if it is none."""
    header = email.message.Message()
    header["Content-Type"] = content_type or ""
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not boundary:
        return None
    out = []
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        if piece.startswith(b"--"):
            break
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields = email.message.Message()
        for line in head.decode("utf-8").split("\r\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        place = "content-disposition"
        name, filename = fields.get_param("name", header=place), fields.get_param("filename", header=place)
        out.append({"name": name, "filename": filename, "type": fields.get("Content-Type"), "data": data})
    return out


def describe(request, record):
    """What the events should say about the request's body."""
    form = parts(request.body, request.headers.get("content-type"))
    if form is not None:
        described = []
        for part in form:
            one = {"name": part["name"], "bytes": len(part["data"]), "sha256": answers.sha256(part["data"])}
            if part["filename"] is None:
                one["value"] = part["data"].decode("utf-8")
            else:
                one.update(filename=part["filename"], type=part["type"])
            described.append(one)
        record["parts"] = described
        fields = {part["name"]: part["data"].decode() for part in form if part["filename"] is None}
        record["model"] = fields.get("model")
        record["stream"] = fields.get("stream") == "true"
        request.form = fields
    body = request.json
    if not isinstance(body, dict):
        return
    record["model"] = body.get("model")
    record["stream"] = body.get("stream") is True
    if "messages" in body:
        messages = body["messages"]
        record["messages_sha256"] = answers.sha256(answers.canonical(messages))
        if len(request.body) < 10_000:
            record["messages"] = messages
    if "tools" in body:
        record["tools"] = body["tools"]
    if len(request.body) < 50_000:
        record["request_json"] = body
    known = ("model", "messages", "tools", "stream")
    record["parameters"] = {key: value for key, value in body.items() if key not in known}
