import com.sun.tools.javac.api.JavacTaskImpl;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A compile server: runs `javac OPTIONS FILE` for one program after the other, in a warm virtual machine.
 *
 * A request on stdin has the folder, the file's name and its text. An answer on stdout has the exit code or DECLINED
 * (32 bits), the number of fields (32 bits), the stdout of javac (empty), its stderr, and name and content of each class
 * file. Every field is its length (32 bits) and its bytes. Each program has a new compiler; only information about the
 * platform and the class path is reused. The server writes no files. No annotation processor runs: the class path has
 * none, and a program cannot add one. If javac ends with anything but success or errors in the program, the command
 * itself has to run (DECLINED).
 */
public final class JavacServer {
    private static final int DECLINED = -1;

    private record Reply(int code, byte[] errors, Map<String, ByteArrayOutputStream> written) {}

    private static final class Source extends SimpleJavaFileObject {
        private final String file;
        private final String text;

        Source(String folder, String file, String text) {
            super(URI.create("file://" + folder + "/" + file), Kind.SOURCE);
            this.file = file;
            this.text = text;
        }

        @Override
        public String getName() {
            return file;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static final class Output extends SimpleJavaFileObject {
        private final ByteArrayOutputStream data;

        Output(String name, Kind kind, ByteArrayOutputStream data) {
            super(URI.create("mem:///").resolve(name.replaceAll("[^A-Za-z0-9./]", "_")), kind);
            this.data = data;
        }

        @Override
        public OutputStream openOutputStream() {
            return data;
        }
    }

    private static final class Memory extends ForwardingJavaFileManager<JavaFileManager> {
        final Map<String, ByteArrayOutputStream> written = new LinkedHashMap<>();

        Memory(JavaFileManager files) {
            super(files);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String name, JavaFileObject.Kind kind, FileObject sibling) {
            ByteArrayOutputStream data = new ByteArrayOutputStream();
            String place = name.replace('.', '/') + kind.extension;
            written.put(place, data);
            return new Output(place, kind, data);
        }

        @Override
        public void close() {}
    }

    public static void main(String[] options) throws IOException {
        DataInputStream in = new DataInputStream(System.in);
        PrintStream out = System.out;
        System.setOut(System.err);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
        while (true) {
            String folder;
            try {
                folder = new String(field(in), UTF_8);
            } catch (EOFException end) {
                return;
            }
            String file = new String(field(in), UTF_8);
            byte[] data = field(in);
            Reply reply = null;
            try {
                reply = compile(compiler, files, List.of(options), folder, file, data);
            } catch (CharacterCodingException | RuntimeException | StackOverflowError error) {
                // Declined: the command itself reports the error.
            }
            out.write(packed(reply));
            out.flush();
        }
    }

    private static Reply compile(
            JavaCompiler compiler,
            StandardJavaFileManager files,
            List<String> options,
            String folder,
            String file,
            byte[] data)
            throws CharacterCodingException {
        String text = UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString();
        StringWriter errors = new StringWriter();
        Memory memory = new Memory(files);
        List<Source> sources = List.of(new Source(folder, file, text));
        var task = (JavacTaskImpl) compiler.getTask(new PrintWriter(errors, true), memory, null, options, null, sources);
        int code = task.doCall().exitCode;
        return code > 1 ? null : new Reply(code, errors.toString().getBytes(UTF_8), memory.written);
    }

    private static byte[] field(DataInputStream in) throws IOException {
        return in.readNBytes(in.readInt());
    }

    private static byte[] packed(Reply reply) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(reply == null ? DECLINED : reply.code);
        out.writeInt(reply == null ? 0 : 2 + 2 * reply.written.size());
        if (reply != null) {
            write(out, new byte[0]);
            write(out, reply.errors);
            for (var each : reply.written.entrySet()) {
                write(out, each.getKey().getBytes(UTF_8));
                write(out, each.getValue().toByteArray());
            }
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream out, byte[] field) throws IOException {
        out.writeInt(field.length);
        out.write(field);
    }
}
