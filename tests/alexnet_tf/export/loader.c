/* Runs a SavedModel as TensorFlow Serving does: through the session loader, with XLA's compilation
   off, and without Python.

   loader MODEL INPUT OUTPUT FILE...   INPUT and OUTPUT are operation:index.
   Prints the scores of each file on a line, or the error, and then runs the first file again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

extern void disable_xla(void) __asm__("_ZN10tensorflow21DisableXlaCompilationEv");

static TF_Session *session;
static TF_Output input, output;

static void die(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(2);
}

static TF_Output find(TF_Graph *graph, char *name) {
  char *colon = strrchr(name, ':');
  if (!colon) die("expected operation:index");
  *colon = 0;
  TF_Output found = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (!found.oper) die("no such operation");
  return found;
}

static TF_Tensor *read_all(char **paths, int number) {
  int64_t dims[] = {number};
  TF_Tensor *tensor = TF_AllocateTensor(TF_STRING, dims, 1, number * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(tensor);
  for (int at = 0; at < number; at++) {
    FILE *file = fopen(paths[at], "rb");
    if (!file) die(paths[at]);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = malloc(size + 1);
    if (fread(bytes, 1, size, file) != (size_t)size) die(paths[at]);
    fclose(file);
    TF_StringInit(&strings[at]);
    TF_StringCopy(&strings[at], bytes, size);
    free(bytes);
  }
  return tensor;
}

static void ask(char **paths, int number) {
  TF_Status *status = TF_NewStatus();
  TF_Tensor *asked = read_all(paths, number), *answer = NULL;
  TF_SessionRun(session, NULL, &input, &asked, 1, &output, &answer, 1, NULL, 0, NULL, status);
  if (TF_GetCode(status) != TF_OK) {
    printf("error %d %s\n", TF_GetCode(status), TF_Message(status));
  } else {
    int64_t classes = TF_Dim(answer, 1);
    float *scores = TF_TensorData(answer);
    for (int64_t at = 0; at < number * classes; at++)
      printf("%.9g%c", scores[at], (at + 1) % classes ? ' ' : '\n');
    TF_DeleteTensor(answer);
  }
  TF_DeleteTensor(asked);
  TF_DeleteStatus(status);
}

int main(int argc, char **argv) {
  if (argc < 5) die("loader MODEL INPUT OUTPUT FILE...");
  disable_xla();
  const char *tags[] = {"serve"};
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  if (TF_GetCode(status) != TF_OK) die(TF_Message(status));
  input = find(graph, argv[2]);
  output = find(graph, argv[3]);
  ask(argv + 4, argc - 4);
  ask(argv + 4, 1);
  return 0;
}
