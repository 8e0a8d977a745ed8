import java.io.{ByteArrayOutputStream, DataInputStream, DataOutputStream, EOFException, PrintWriter}
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets.UTF_8
import scala.reflect.io.{AbstractFile, VirtualDirectory, VirtualFile}
import scala.reflect.internal.FatalError
import scala.tools.nsc.{CompilerCommand, Global, Settings}
import scala.tools.nsc.reporters.ConsoleReporter

/** A compile server: `scalac OPTIONS FILE` for one text after the other, in a machine that is warm.
  *
  * On stdin: the folder, the name of the file and its text; each is its length as 32 bits and its bytes. On stdout:
  * the exit code as 32 bits, or NotHere; nothing, for stdout; what scalac prints on stderr; name and content of each
  * class. Each text has a compiler of its own, and nothing is written to a file. No code of a text runs here: a macro
  * must have been compiled before the text that uses it, and plugins are named by options alone.
  * What ends otherwise than with success or errors in the text is left to the command itself (NotHere).
  */
object ScalacServer {
  private val NotHere = -1

  def main(options: Array[String]): Unit = {
    val in = new DataInputStream(System.in)
    val out = System.out
    System.setOut(System.err)
    // scalac looks for classes where Java does; this one is none of its.
    val known = System.getProperty("java.class.path").split(":").filter(_.endsWith(".jar"))
    System.setProperty("java.class.path", known.mkString(":"))
    while (true) {
      try field(in)
      catch { case _: EOFException => return }
      val (file, data) = (new String(field(in), UTF_8), field(in))
      val reply =
        try compile(options, file, data)
        catch { case _: CharacterCodingException | _: Exception | _: LinkageError | _: StackOverflowError => None }
      out.write(packed(reply))
      out.flush()
    }
  }

  /** As `scala.tools.nsc.Driver.process` does it. */
  private def compile(options: Array[String], file: String, data: Array[Byte]): Option[(Boolean, Seq[Array[Byte]])] = {
    UTF_8.newDecoder().decode(ByteBuffer.wrap(data))
    val said = new ByteArrayOutputStream()
    val settings = new Settings(message => throw new IllegalArgumentException(message))
    val printed = new PrintWriter(said, true)
    val reporter = new ConsoleReporter(settings, Console.in, printed)
    new CompilerCommand(options.toList, settings)
    val directory = new VirtualDirectory("(memory)", None)
    settings.outputDirs.setSingleOutput(directory)
    val source = new VirtualFile(file)
    val filled = source.output
    filled.write(data)
    filled.close()
    val compiler = new Global(settings, reporter)
    try {
      new compiler.Run().compileSources(List(compiler.getSourceFile(source)))
      reporter.printSummary()
    } catch {
      case _: FatalError => return None
    }
    printed.flush()
    val files = if (directory.isEmpty) Nil else written(directory, "")
    Some((reporter.hasErrors, Seq(Array[Byte](), said.toByteArray) ++ files))
  }

  private def written(directory: AbstractFile, place: String): Seq[Array[Byte]] =
    directory.toSeq.flatMap { entry =>
      val name = place + entry.name
      if (entry.isDirectory) written(entry, name + "/") else Seq(name.getBytes(UTF_8), entry.toByteArray)
    }

  private def field(in: DataInputStream): Array[Byte] = {
    val data = new Array[Byte](in.readInt())
    in.readFully(data)
    data
  }

  private def packed(reply: Option[(Boolean, Seq[Array[Byte]])]): Array[Byte] = {
    val bytes = new ByteArrayOutputStream()
    val out = new DataOutputStream(bytes)
    val (code, fields) = reply.fold((NotHere, Seq[Array[Byte]]())) { case (wrong, all) => (if (wrong) 1 else 0, all) }
    out.writeInt(code)
    out.writeInt(fields.size)
    for (each <- fields) {
      out.writeInt(each.length)
      out.write(each)
    }
    bytes.toByteArray
  }
}
