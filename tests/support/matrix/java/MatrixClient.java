// SPDX-License-Identifier: Apache-2.0
// The Azure SDK's OpenAI client, and for what is not a chat completion or is sent in chunks, its HTTP client: Netty with
// tcnative (BoringSSL), which is unpacked to a file and deleted. The protocol is in ../clients.py.

import com.azure.ai.openai.OpenAIClient;
import com.azure.ai.openai.OpenAIClientBuilder;
import com.azure.core.credential.AzureKeyCredential;
import com.azure.core.http.HttpClient;
import com.azure.core.http.HttpHeaderName;
import com.azure.core.http.HttpMethod;
import com.azure.core.http.HttpRequest;
import com.azure.core.http.HttpResponse;
import com.azure.core.http.rest.RequestOptions;
import com.azure.core.util.BinaryData;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import reactor.core.publisher.Flux;

public final class MatrixClient {
  private static final String KEY = "0123456789abcdef0123456789abcdef";
  private static final HttpClient HTTP = HttpClient.createDefault();

  private static String sha256(byte[] data) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
  }

  private static byte[][] chat(OpenAIClient client, byte[] body) {
    var response =
        client.getChatCompletionsWithResponse(
            "chat-prod", BinaryData.fromBytes(body), new RequestOptions());
    return new byte[][] {
      Integer.toString(response.getStatusCode()).getBytes(), response.getValue().toBytes()
    };
  }

  private static byte[][] plain(String[] job, byte[] body) {
    HttpRequest request =
        new HttpRequest(HttpMethod.valueOf(job[1]), "https://" + job[2] + job[3])
            .setHeader(HttpHeaderName.fromString("api-key"), KEY)
            .setHeader(HttpHeaderName.CONTENT_TYPE, "application/json");
    if (!job[6].isEmpty()) {
      String[] header = job[6].split(": ", 2);
      request.setHeader(HttpHeaderName.fromString(header[0]), header[1]);
    }
    if (job[4].equals("chunked")) {
      List<ByteBuffer> parts = new ArrayList<>();
      for (int at = 0; at < body.length; at += 16384) {
        parts.add(ByteBuffer.wrap(body, at, Math.min(16384, body.length - at)));
      }
      request.setBody(Flux.fromIterable(parts));
    } else {
      request.setBody(body);
    }
    try (HttpResponse response = HTTP.send(request).block()) {
      byte[] answer = response.getBodyAsByteArray().block();
      return new byte[][] {
        Integer.toString(response.getStatusCode()).getBytes(), answer == null ? new byte[0] : answer
      };
    }
  }

  public static void main(String[] args) throws Exception {
    OpenAIClient client =
        new OpenAIClientBuilder()
            .httpClient(HTTP)
            .endpoint("https://contoso.openai.azure.com")
            .credential(new AzureKeyCredential(KEY))
            .buildClient();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    int count = 0;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.isEmpty()) {
        System.out.println("{\"done\":" + count + "}");
        count = 0;
        continue;
      }
      String[] job = line.split("\t", -1);
      byte[] body = job[5].isEmpty() ? new byte[0] : Files.readAllBytes(Path.of(job[5]));
      boolean sdk = job[6].isEmpty() && job[4].equals("length");
      byte[][] answer = sdk ? chat(client, body) : plain(job, body);
      System.out.printf(
          "{\"id\":\"%s\",\"pid\":%d,\"status\":%s,\"sent_sha256\":\"%s\",\"body_sha256\":\"%s\"}%n",
          job[0], ProcessHandle.current().pid(), new String(answer[0]), sha256(body), sha256(answer[1]));
      count++;
    }
    System.exit(0);
  }
}
